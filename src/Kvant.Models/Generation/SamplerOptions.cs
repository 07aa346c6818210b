using System.Collections.ObjectModel;

namespace Kvant.Models.Generation;

/// <summary>How the next token is chosen. The default is greedy: always the most likely one.</summary>
public sealed record SamplerOptions
{
    /// <summary>What logits are divided by: below 1 the likely tokens gain, above 1 the unlikely ones; 0 is greedy.</summary>
    public double Temperature { get; init; }

    /// <summary>Only so many of the most likely tokens are considered; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the fewest most likely tokens whose probabilities, at temperature 1, add up to this are considered; 1 for all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens that are at least so likely as this share of the most likely one, at temperature 1, are considered; 0 for all (min-p, Nguyen et al. 2024).</summary>
    public double MinP { get; init; }

    /// <summary>What the logits of recent tokens are divided by, or, below 0, multiplied by: above 1 they come less often (CTRL, Keskar et al. 2019). 1 for none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>What is subtracted from the logits of tokens that came recently, however often. 0 for none.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>What is subtracted from the logits of recent tokens for each time they came. 0 for none.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>How many of the last tokens are recent, those of prompts counted; 64 unless said.</summary>
    public int RecentTokens { get; init; } = 64;

    /// <summary>What is added to the logits of tokens; negative infinity forbids one.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = ReadOnlyDictionary<int, float>.Empty;

    /// <summary>Whether logits are changed before tokens are chosen by them.</summary>
    internal bool ChangesLogits => HasPenalties || LogitBias.Count > 0;

    internal bool HasPenalties => RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0;

    /// <summary>Names the sequence of random choices: the same seed and logits give the same tokens.</summary>
    public ulong Seed { get; init; }
}
