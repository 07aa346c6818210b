namespace Kvant.Kernels;

/// <summary>Rows at equal distances in memory, as the attention kernels read them.</summary>
/// <param name="bytes">Begins at the first row.</param>
/// <param name="stride">Bytes from the beginning of one row to that of the next.</param>
/// <param name="count">Rows.</param>
internal readonly ref struct RowRun(ReadOnlySpan<byte> bytes, int stride, int count)
{
    /// <summary>Begins at the first row.</summary>
    public ReadOnlySpan<byte> Bytes { get; } = bytes;

    /// <summary>Bytes from the beginning of one row to that of the next.</summary>
    public int Stride { get; } = stride;

    /// <summary>Rows.</summary>
    public int Count { get; } = count;

    /// <summary>[group, row], for formats whose scales lie outside; else empty.</summary>
    public ReadOnlySpan<float> Scales { get; init; }

    /// <summary>Memory that will be read next, to be fetched ahead; may be empty.</summary>
    public ReadOnlySpan<byte> Upcoming { get; init; }
}
