using Kvant.Caching;

namespace Kvant.Evaluation.Tuning;

/// <summary>What tuning found.</summary>
internal sealed record TuneReport
{
    /// <summary>The SHA-256 of the model's file, which a policy file is bound to; null for a trace that does not say which model it is of.</summary>
    public required string? SourceHash { get; init; }

    /// <summary>The shape of the model's cache.</summary>
    public required CacheGeometry Geometry { get; init; }

    /// <summary>The policy for the budget.</summary>
    public required TunePoint Chosen { get; init; }

    /// <summary>The best choice of one codec for all keys and one for all values that takes no more bytes; null where none does.</summary>
    public required TunePoint? BestUniform { get; init; }

    /// <summary>Policies from few bytes to many, so that the budget can be seen among others.</summary>
    public required IReadOnlyList<TunePoint> Frontier { get; init; }

    /// <summary>Tokens that were measured.</summary>
    public required int MeasuredTokens { get; init; }

    /// <summary>Tokens, others, that policies were verified on; 0 on a trace.</summary>
    public required int HeldOutTokens { get; init; }
}
