namespace Kvant.Evaluation.Experiments;

/// <summary>A whole experiment: what ran where, and the result of each pair.</summary>
internal sealed record TraceReport
{
    /// <summary>The version of the library.</summary>
    public string Version { get; init; } = MachineInfo.KvantVersion;

    /// <summary>The machine.</summary>
    public MachineInfo Machine { get; init; } = MachineInfo.Current;

    /// <summary>The trace.</summary>
    public required TraceInfo Trace { get; init; }

    /// <summary>One result by pair, in the order in which the pairs were given.</summary>
    public required IReadOnlyList<PairResult> Results { get; init; }
}
