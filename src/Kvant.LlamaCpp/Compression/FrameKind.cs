namespace Kvant.LlamaCpp.Compression;

/// <summary>What a frame holds.</summary>
internal enum FrameKind : byte
{
    /// <summary>The header of a cache file: how a segment is compressed.</summary>
    Cache = 1,

    /// <summary>A layer of a segment, as a cache file has it.</summary>
    Layer = 2,

    /// <summary>A layer's keys and then its values as they stand in the state.</summary>
    Rows = 3,

    /// <summary>A recurrent part as it stands in the state.</summary>
    Recurrent = 4,

    /// <summary>The end.</summary>
    End = 5,
}
