namespace Kvant.Codecs;

/// <summary>Blocks of a codec with something of another codec between them.</summary>
/// <param name="bytes">Begins at the first one.</param>
/// <param name="length">Bytes of blocks that lie together: one or several.</param>
/// <param name="stride">Bytes from those to the next.</param>
internal readonly ref struct SpacedBlocks(ReadOnlySpan<byte> bytes, int length, int stride)
{
    /// <summary>Begins at the first block, ends wherever what lies behind the last one does.</summary>
    public ReadOnlySpan<byte> Bytes { get; } = bytes;

    /// <summary>Bytes of blocks that lie together.</summary>
    public int Length => length;

    /// <summary>Bytes from those to the next.</summary>
    public int Stride => stride;

    /// <summary>How often some lie together.</summary>
    public int Count => (Bytes.Length + stride - length) / stride;

    /// <summary>Some of them.</summary>
    public SpacedBlocks Part(int first, int count) => new(Bytes.Slice(first * stride, ((count - 1) * stride) + length), length, stride);

    /// <summary>Puts them side by side.</summary>
    /// <param name="together">Receives <see cref="Count"/> times <see cref="Length"/> bytes.</param>
    public void CopyTo(Span<byte> together)
    {
        for (int i = 0; i < Count; i++)
            Bytes.Slice(i * stride, length).CopyTo(together[(i * length)..]);
    }
}
