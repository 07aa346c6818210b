namespace Kvant.Rotations;

/// <summary>The same small rotation in every block of a row. It spreads energy inside a block only.</summary>
internal sealed class BlockRotation : Rotation
{
    private readonly Rotation _block;

    /// <summary>A rotation of <paramref name="dimension"/> numbers, a multiple of the block's.</summary>
    /// <exception cref="ArgumentException">The dimension is not a multiple.</exception>
    public BlockRotation(Rotation block, int dimension)
        : base(dimension)
    {
        if (dimension % block.Dimension != 0)
            throw new ArgumentException($"a rotation in blocks needs a dimension that is a multiple of {block.Dimension}.", nameof(dimension));
        _block = block;
    }

    private protected override void ForwardRow(ReadOnlySpan<float> source, Span<float> destination)
    {
        for (int i = 0; i < Dimension; i += _block.Dimension)
            _block.Forward(source.Slice(i, _block.Dimension), destination.Slice(i, _block.Dimension));
    }

    private protected override void InverseRow(ReadOnlySpan<float> source, Span<float> destination)
    {
        for (int i = 0; i < Dimension; i += _block.Dimension)
            _block.Inverse(source.Slice(i, _block.Dimension), destination.Slice(i, _block.Dimension));
    }
}
