namespace Kvant.Rotations;

/// <summary>
/// An orthogonal change of basis: it keeps lengths and dot products, and spreads a row's energy evenly over its
/// coordinates, so that one codebook suits all of them. Immutable; any number of threads may share one.
/// </summary>
public abstract class Rotation
{
    /// <summary>The longest row.</summary>
    public const int MaxDimension = 4096;

    /// <summary>The names that specs use.</summary>
    internal static IReadOnlyList<string> Names { get; } = ["hadamard", "haar", "block32", "none"];

    private protected Rotation(int dimension)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimension, MaxDimension);
        Dimension = dimension;
    }

    /// <summary>Numbers in a row.</summary>
    public int Dimension { get; }

    /// <summary>What it does, as numbers; null where only its own code says.</summary>
    internal virtual RotationForm? Form => null;

    /// <summary>Makes a rotation.</summary>
    /// <param name="name">As specs write it: <c>hadamard</c>, <c>haar</c>, <c>block32</c> or <c>none</c>.</param>
    /// <param name="dimension">Numbers in a row; a multiple of 32 for <c>block32</c>.</param>
    /// <param name="seed">Names the random choice; part of the stored format.</param>
    /// <exception cref="ArgumentException">The name is unknown or the dimension does not fit.</exception>
    public static Rotation Create(string name, int dimension, ulong seed) => name switch
    {
        "hadamard" => new HadamardRotation(dimension, seed),
        "haar" => new HaarRotation(dimension, seed),
        "block32" => new BlockRotation(new HadamardRotation(32, seed), dimension),
        "none" => new IdentityRotation(dimension),
        _ => throw new ArgumentException($"Unknown rotation '{name}'. Known: {string.Join(", ", Names)}.", nameof(name)),
    };

    /// <summary>About how many steps of two nanoseconds it takes to make a rotation, found without making it.</summary>
    internal static long Steps(string name, int dimension) => name switch
    {
        "hadamard" => HadamardRotation.Steps(dimension),
        "haar" => HaarRotation.Steps(dimension),
        "block32" => HadamardRotation.Steps(32),
        _ => dimension,
    };

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
