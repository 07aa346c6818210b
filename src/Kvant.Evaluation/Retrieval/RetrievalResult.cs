using System.Text.Json.Serialization;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Evaluation.Retrieval;

/// <summary>How often one pair of codecs lets the induction model find its answer, at one length.</summary>
internal sealed record RetrievalResult
{
    /// <summary>The full text of the key codec's spec.</summary>
    public required string Keys { get; init; }

    /// <summary>The full text of the value codec's spec.</summary>
    public required string Values { get; init; }

    /// <summary>Numbers in a key.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>Tokens in the cache when a question comes.</summary>
    public required int Length { get; init; }

    /// <summary>Bytes of the cache by token, sinks, window and all, both layers.</summary>
    public required double BytesPerToken { get; init; }

    /// <summary>Share of right answers, by depth, from the beginning of the text to its end.</summary>
    public required IReadOnlyList<double> RightByDepth { get; init; }

    /// <summary>Share of right answers, 0 to 1.</summary>
    public double Right => RightByDepth.Average();

    /// <summary>A short name for people: the specs without their default settings.</summary>
    [JsonIgnore]
    public string Label => new LayerSpecs(CodecSpec.Parse(Keys), CodecSpec.Parse(Values)).ToString();
}
