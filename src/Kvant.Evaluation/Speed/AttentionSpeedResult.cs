namespace Kvant.Evaluation.Speed;

/// <summary>How fast one decode step of one layer is.</summary>
internal sealed record AttentionSpeedResult
{
    /// <summary>The specs in short, the name of a policy, or <see cref="AttentionSpeed.Baseline"/>.</summary>
    public required string Codec { get; init; }

    /// <summary>Tokens that the step attends to.</summary>
    public required int Tokens { get; init; }

    /// <summary>Threads that work on it.</summary>
    public required int Threads { get; init; }

    /// <summary>Whether every step reads another layer, out of 384 MB or more.</summary>
    public required bool Cold { get; init; }

    /// <summary>Nanoseconds by token and key-value head, for all query heads of the group.</summary>
    public required double NsPerTokenHead { get; init; }

    /// <summary>Million pairs of a token and a key-value head in a second.</summary>
    public double MillionPerSecond => 1e3 / NsPerTokenHead;

    /// <summary>Stored bytes that are read in a second, in units of 10^9.</summary>
    public required double CompressedGBps { get; init; }

    /// <summary>How many times faster than <see cref="AttentionSpeed.Baseline"/>.</summary>
    public required double RatioToFp32 { get; init; }

    /// <summary>The share of the speed at which the same bytes can be read at all; 1 is the limit.</summary>
    public required double RatioToRead { get; init; }

    /// <summary>Root mean square error of the output, as a share of the root mean square of the output over uncompressed rows.</summary>
    public required double OutputError { get; init; }
}
