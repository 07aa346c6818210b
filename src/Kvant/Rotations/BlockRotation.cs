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

    // The blocks are segments that nothing mixes.
    internal override RotationForm? Form => _block.Form is not { Mixed: 1 } form ? null
        : form with { Signs = Repeated(form.Signs), Back = Repeated(form.Back), Last = Repeated(form.Last) };

    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination) => _block.Forward(source, destination);

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination) => _block.Inverse(source, destination);

    // Each row of a block for all blocks of a row.
    private float[] Repeated(float[] rows)
    {
        int length = _block.Dimension;
        float[] repeated = new float[rows.Length / length * Dimension];
        for (int i = 0; i < repeated.Length; i++)
            repeated[i] = rows[(i / Dimension * length) + (i % length)];
        return repeated;
    }
}
