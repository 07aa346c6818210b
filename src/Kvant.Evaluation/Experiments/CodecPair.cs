using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Experiments;

/// <summary>What compresses a cache: one codec for its keys and one for its values.</summary>
/// <param name="Keys">The codec of the keys.</param>
/// <param name="Values">The codec of the values.</param>
internal sealed record CodecPair(CodecSpec Keys, CodecSpec Values)
{
    /// <summary>The same codec for both.</summary>
    /// <param name="spec">The codec.</param>
    public static CodecPair Both(CodecSpec spec) => new(spec, spec);

    /// <summary>Reads two specs.</summary>
    /// <param name="keys">Of the keys.</param>
    /// <param name="values">Of the values; null for the same as the keys.</param>
    /// <exception cref="FormatException">A spec is not valid.</exception>
    public static CodecPair Parse(string keys, string? values = null) => new(CodecSpec.Parse(keys), CodecSpec.Parse(values ?? keys));

    /// <summary>A cache with these codecs in every layer.</summary>
    internal KvCacheOptions CacheOptions(LanguageModel model, int sinks, int window) =>
        model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, Keys, Values)) with { Sinks = sinks, Window = window };

    /// <summary>A short name: one spec where both are the same, else <c>keys / values</c>.</summary>
    public override string ToString() => Keys.Equals(Values) ? Keys.ToString() : $"{Keys} / {Values}";
}
