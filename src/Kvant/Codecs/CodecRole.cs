namespace Kvant.Codecs;

/// <summary>What the rows of a codec are used for; a method may arrange its bytes differently for each.</summary>
public enum CodecRole
{
    /// <summary>Vectors on their own: every row can be read back alone.</summary>
    Rows,

    /// <summary>Keys of one attention head: scored against queries.</summary>
    Keys,

    /// <summary>Values of one attention head: summed with attention weights.</summary>
    Values,

    /// <summary>Keys as a cache holds them: in the order in which the attention kernels read them fastest, as many bytes as
    /// <see cref="Keys"/>. The same as <see cref="Keys"/> for methods without such an order.</summary>
    KeyTiles,

    /// <summary>Values as a cache holds them: in the order in which the attention kernels read them fastest, as many bytes as
    /// <see cref="Values"/>. The same as <see cref="Values"/> for methods without such an order.</summary>
    ValueTiles,
}
