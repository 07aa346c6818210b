using System.Text.Json.Serialization;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>What one pair of codecs costs, and what it does to the model.</summary>
internal sealed record ModelResult
{
    /// <summary>The name of a policy that has codecs of its own for each layer; null for one pair of codecs for all.</summary>
    public string? Policy { get; init; }

    /// <summary>The full text of the key codec's spec, seeds included; of a policy, those of all layers, separated by bars.</summary>
    public required string Keys { get; init; }

    /// <summary>The same of the value codec's.</summary>
    public required string Values { get; init; }

    /// <summary>Bits by number of the compressed body alone, scales and all counted, keys and values together.</summary>
    public required double BodyBitsPerValue { get; init; }

    /// <summary>All bytes that the cache held after a chunk, by token: body, sinks, window, room that is not used yet.</summary>
    public required double BytesPerToken { get; init; }

    /// <summary>How many times smaller than 16-bit floats that is.</summary>
    public required double Ratio { get; init; }

    /// <summary>The same as bits by number of the whole cache.</summary>
    public double BitsPerValue => 16 / Ratio;

    /// <summary>The same bytes by token at the long context, worked out to the byte.</summary>
    public required double LongBytesPerToken { get; init; }

    /// <summary>How many times smaller than 16-bit floats the cache is at the long context.</summary>
    public required double LongRatio { get; init; }

    /// <summary>The same as bits by number of the whole cache at the long context.</summary>
    public double LongBitsPerValue => 16 / LongRatio;

    /// <summary>What the model says, compared with the exact cache.</summary>
    public required TokenLoss Loss { get; init; }

    /// <summary>The same with exact values; null where it was not asked for.</summary>
    public TokenLoss? KeysOnly { get; init; }

    /// <summary>The same with exact keys; null where it was not asked for.</summary>
    public TokenLoss? ValuesOnly { get; init; }

    /// <summary>By layer: the energy of the error of the attention output over its energy, for the exact inputs of each layer.</summary>
    public required IReadOnlyList<double> LayerErrors { get; init; }

    /// <summary>By prompt: how many greedy tokens were the same before the first that differs; null where none did.</summary>
    public required IReadOnlyList<int?> GreedyDifferences { get; init; }

    /// <summary>How fast the model read and wrote.</summary>
    public required ModelSpeed Speed { get; init; }

    /// <summary>The specs of all layers in short; "by layer" where they differ.</summary>
    [JsonIgnore]
    public string Specs => ResultSpecs.Short(Keys, Values);

    /// <summary>A short name for people: the specs without their default settings.</summary>
    [JsonIgnore]
    public string Label => Policy ?? Specs;

    /// <summary>What the default comparison left out beside this; the same in every result, null where nothing was.</summary>
    public IReadOnlyList<LeftOut>? LeftOut { get; init; }
}
