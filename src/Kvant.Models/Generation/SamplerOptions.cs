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

    /// <summary>Names the sequence of random choices: the same seed and logits give the same tokens.</summary>
    public ulong Seed { get; init; }
}
