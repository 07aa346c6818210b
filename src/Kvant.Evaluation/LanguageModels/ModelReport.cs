using System.Text.Json.Serialization;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Retrieval;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>A whole experiment on a model: what ran where, and the result of each pair.</summary>
internal sealed record ModelReport
{
    /// <summary>The version of the library.</summary>
    public string Version { get; init; } = MachineInfo.KvantVersion;

    /// <summary>The commit that the library was built from; null where the build did not know it.</summary>
    public string? Commit { get; init; } = MachineInfo.KvantCommit;

    /// <summary>The machine.</summary>
    public MachineInfo Machine { get; init; } = MachineInfo.Current;

    /// <summary>The model.</summary>
    public required ModelInfo Model { get; init; }

    /// <summary>The text.</summary>
    public required TextInfo Text { get; init; }

    /// <summary>The first tokens, never compressed.</summary>
    public required int Sinks { get; init; }

    /// <summary>The newest tokens, not compressed yet.</summary>
    public required int Window { get; init; }

    /// <summary>Whether keys and values were measured apart, too.</summary>
    public required bool Parts { get; init; }

    /// <summary>The context of <see cref="ModelResult.LongBytesPerToken"/>.</summary>
    public required int LongContext { get; init; }

    /// <summary>The engine whose logits everything is compared with; null for the same model on an fp32 cache.</summary>
    public string? Against { get; init; }

    /// <summary>What everything is compared with, in words.</summary>
    [JsonIgnore]
    public string Baseline => Against is null ? "an fp32 cache" : $"the logits of {Against}";

    /// <summary>Perplexity with the exact cache, or in the logits that everything is compared with.</summary>
    public required double ExactPerplexity { get; init; }

    /// <summary>By layer: the share of the keys' energy that is in their mean, which the softmax does not see.</summary>
    public required IReadOnlyList<double> KeyMeanShares { get; init; }

    /// <summary>The layers where the mean has most of the keys' energy: there codes with one scale by row spend their levels on it.</summary>
    [JsonIgnore]
    public IReadOnlyList<int> LayersOfSharedKeys => [.. Enumerable.Range(0, KeyMeanShares.Count).Where(layer => KeyMeanShares[layer] > 0.5)];

    /// <summary>How fast the model was with the exact cache.</summary>
    public required ModelSpeed ExactSpeed { get; init; }

    /// <summary>Prompts that greedy generation started from.</summary>
    public required int GreedyPrompts { get; init; }

    /// <summary>Tokens that were generated behind each of them.</summary>
    public required int GreedyTokens { get; init; }

    /// <summary>The most memory that the process held, in bytes: all caches at once, weights, everything.</summary>
    public required long PeakMemory { get; init; }

    /// <summary>What the induction model finds with these pairs (<see cref="RetrievalExperiment"/>); null where it was not asked.</summary>
    public IReadOnlyList<RetrievalResult>? Retrieval { get; init; }

    /// <summary>Which numbers hidden in a text this model finds (<see cref="PasskeyExperiment"/>); null where it was not asked.</summary>
    public IReadOnlyList<RetrievalResult>? Passkeys { get; init; }

    /// <summary>One result by pair, in the order in which the pairs were given.</summary>
    public required IReadOnlyList<ModelResult> Results { get; init; }
}
