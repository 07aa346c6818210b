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

    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination) => _block.Forward(source, destination);

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination) => _block.Inverse(source, destination);
}
