namespace Kvant.Codecs;

/// <summary>How a mean is stored (<see cref="BlockForm"/>).</summary>
internal enum MeanForm
{
    /// <summary>Floats of 16 bits.</summary>
    Halves,

    /// <summary>A float of 32 bits, then signed bytes that it is multiplied by.</summary>
    Bytes,

    /// <summary>A float of 16 bits, then numbers of 4 bits, plus 8, that it is multiplied by.</summary>
    Fours,
}
