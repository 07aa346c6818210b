namespace Kvant.Rotations;

/// <summary>
/// A rotation as numbers, for kernels that are not its own: some rounds, each of which multiplies a row by a vector, transforms its segments (Walsh-Hadamard, not normalized) and mixes them by a matrix.
/// </summary>
internal sealed record RotationForm
{
    /// <summary>Numbers of a segment, a power of two; 1 where nothing is transformed.</summary>
    public int Segment { get; init; } = 1;

    /// <summary>Segments that a matrix mixes; 1 for none.</summary>
    public int Mixed { get; init; } = 1;

    /// <summary>[round, number]: what each round begins with.</summary>
    public float[] Signs { get; init; } = [];

    /// <summary>The same for the way back.</summary>
    public float[] Back { get; init; } = [];

    /// <summary>What the way back ends with; empty where no round is.</summary>
    public float[] Last { get; init; } = [];

    /// <summary>[from segment, to segment].</summary>
    public float[] Matrix { get; init; } = [];

    /// <summary>The same for the way back.</summary>
    public float[] MatrixBack { get; init; } = [];
}
