namespace Kvant.Rotations;

/// <summary>No rotation: the rows as they are.</summary>
internal sealed class IdentityRotation(int dimension) : Rotation(dimension)
{
    internal override RotationForm Form { get; } = new();

    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination) => source.CopyTo(destination);

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination) => source.CopyTo(destination);
}
