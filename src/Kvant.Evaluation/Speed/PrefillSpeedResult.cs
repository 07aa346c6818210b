namespace Kvant.Evaluation.Speed;

/// <summary>How fast the attention of a prompt is.</summary>
internal sealed record PrefillSpeedResult
{
    /// <summary>The specs in short, the name of a policy.</summary>
    public required string Codec { get; init; }

    /// <summary>Tokens of the prompt.</summary>
    public required int Tokens { get; init; }

    /// <summary>Tokens that are taken at once.</summary>
    public required int Chunk { get; init; }

    /// <summary>Threads that work on it.</summary>
    public required int Threads { get; init; }

    /// <summary>Tokens in a second that one layer's attention takes and appends.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>The same as a share of the speed of the same code with the codec <c>fp32</c>.</summary>
    public required double RatioToFp32 { get; init; }

    /// <summary>Root mean square error of the last chunk's outputs, as a share of the root mean square of those with <c>fp32</c>.</summary>
    public required double OutputError { get; init; }
}
