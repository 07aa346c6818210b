namespace Kvant.Rotations;

/// <summary>The rotations that specs name, in one place.</summary>
public static class RotationCatalog
{
    /// <summary>The names: <c>hadamard</c>, <c>haar</c>, <c>block32</c>, <c>none</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["hadamard", "haar", "block32", "none"];

    /// <summary>About how many steps of two nanoseconds it takes to make a rotation, found without making it.</summary>
    internal static long Steps(string name, int dimension) => name switch
    {
        "hadamard" => HadamardRotation.Steps(dimension),
        "haar" => HaarRotation.Steps(dimension),
        "block32" => HadamardRotation.Steps(32),
        _ => dimension,
    };

    /// <summary>Makes a rotation.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
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
}
