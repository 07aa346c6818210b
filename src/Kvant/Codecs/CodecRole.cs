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
}
