namespace Kvant.Evaluation.Speed;

/// <summary>How fast a model decodes with a cache of a codec.</summary>
internal sealed record DecodeSpeedResult
{
    /// <summary>The specs in short, the name of a policy.</summary>
    public required string Codec { get; init; }

    /// <summary>Tokens that were cached before.</summary>
    public required int Tokens { get; init; }

    /// <summary>Threads that work on a step.</summary>
    public required int Threads { get; init; }

    /// <summary>All bytes of the cache.</summary>
    public required long CacheBytes { get; init; }

    /// <summary>Milliseconds of a step that go to the cache: the token's keys and values into it, and attention over it, in all layers.</summary>
    public required double AttentionMilliseconds { get; init; }

    /// <summary>Milliseconds of a step that go to everything else, which is the products with the weights.</summary>
    public required double RestMilliseconds { get; init; }

    /// <summary>Steps in a second.</summary>
    public double TokensPerSecond => 1e3 / (AttentionMilliseconds + RestMilliseconds);

    /// <summary>How many times faster attention is than with the codec <c>fp32</c>.</summary>
    public required double AttentionRatioToFp32 { get; init; }

    /// <summary>How many times faster the whole step is than with the codec <c>fp32</c>.</summary>
    public required double RatioToFp32 { get; init; }

    /// <summary>Tokens of a prompt in a second; null where there is none.</summary>
    public double? PromptTokensPerSecond { get; init; }

    /// <summary>The same as a share of the speed with the codec <c>fp32</c>.</summary>
    public double? PromptRatioToFp32 { get; init; }

    /// <summary>Root mean square error of the first layer's attention, as a share of the root mean square with <c>fp32</c>.</summary>
    public required double OutputError { get; init; }
}
