namespace Kvant.Codecs;

/// <summary>How the numbers of a row are stored (<see cref="BlockForm"/>).</summary>
internal enum NumberForm
{
    /// <summary>Floats of 16 bits, row by row.</summary>
    Halves,

    /// <summary>Floats of 32 bits, row by row.</summary>
    Singles,

    /// <summary>A float of 32 bits, then signed bytes that it is multiplied by.</summary>
    Bytes,

    /// <summary>Tiles of 32 rows whose codes are levels.</summary>
    Levels,

    /// <summary>Tiles of 32 rows whose codes are paths of a trellis.</summary>
    Paths,
}
