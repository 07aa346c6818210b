namespace Kvant.Rotations;

/// <summary>
/// An orthogonal change of basis: it keeps lengths and dot products, and spreads a row's energy evenly over its
/// coordinates, so that one codebook suits all of them. Immutable; any number of threads may share one.
/// </summary>
public abstract class Rotation
{
    private protected Rotation(int dimension)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        Dimension = dimension;
    }

    /// <summary>Numbers in a row.</summary>
    public int Dimension { get; }

    /// <summary>Rotates one row.</summary>
    /// <param name="source"><see cref="Dimension"/> floats.</param>
    /// <param name="destination">Receives <see cref="Dimension"/> floats; may be the same memory.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public void Forward(ReadOnlySpan<float> source, Span<float> destination)
    {
        Check(source, destination);
        ForwardRow(source, destination);
    }

    /// <summary>Turns one row back: the transpose of <see cref="Forward"/>.</summary>
    /// <param name="source"><see cref="Dimension"/> floats.</param>
    /// <param name="destination">Receives <see cref="Dimension"/> floats; may be the same memory.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public void Inverse(ReadOnlySpan<float> source, Span<float> destination)
    {
        Check(source, destination);
        InverseRow(source, destination);
    }

    private protected abstract void ForwardRow(ReadOnlySpan<float> source, Span<float> destination);

    private protected abstract void InverseRow(ReadOnlySpan<float> source, Span<float> destination);

    private void Check(ReadOnlySpan<float> source, Span<float> destination)
    {
        if (source.Length != Dimension || destination.Length != Dimension)
            throw new ArgumentException($"The rows have {source.Length} and {destination.Length} floats; the rotation takes {Dimension}.");
    }
}
