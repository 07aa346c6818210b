namespace Kvant.Rotations;

/// <summary>
/// An orthogonal change of basis: it keeps lengths and dot products, and spreads a row's energy evenly over its
/// coordinates, so that one codebook suits all of them. Immutable; any number of threads may share one.
/// </summary>
public abstract class Rotation
{
    /// <summary>The longest row.</summary>
    public const int MaxDimension = 4096;

    private protected Rotation(int dimension)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimension, MaxDimension);
        Dimension = dimension;
    }

    /// <summary>Numbers in a row.</summary>
    public int Dimension { get; }

    /// <summary>Rotates rows.</summary>
    /// <param name="source">Rows of <see cref="Dimension"/> floats one after the other.</param>
    /// <param name="destination">Receives as many floats; may be the same memory.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public void Forward(ReadOnlySpan<float> source, Span<float> destination)
    {
        Check(source, destination);
        ForwardRows(source, destination);
    }

    /// <summary>Turns rows back: the transpose of <see cref="Forward"/>.</summary>
    /// <param name="source">Rows of <see cref="Dimension"/> floats one after the other.</param>
    /// <param name="destination">Receives as many floats; may be the same memory.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public void Inverse(ReadOnlySpan<float> source, Span<float> destination)
    {
        Check(source, destination);
        InverseRows(source, destination);
    }

    private protected abstract void ForwardRows(ReadOnlySpan<float> source, Span<float> destination);

    private protected abstract void InverseRows(ReadOnlySpan<float> source, Span<float> destination);

    private void Check(ReadOnlySpan<float> source, Span<float> destination)
    {
        if (source.Length % Dimension != 0 || destination.Length != source.Length)
            throw new ArgumentException($"The rows have {source.Length} and {destination.Length} floats; the rotation takes as many on both sides, in rows of {Dimension}.");
    }
}
