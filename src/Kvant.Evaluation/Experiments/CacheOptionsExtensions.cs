using Kvant.Caching;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Experiments;

/// <summary>Caches that experiments compare.</summary>
internal static class CacheOptionsExtensions
{
    /// <summary>A cache of a model with the same codecs in every layer.</summary>
    public static KvCacheOptions CacheOptions(this LayerSpecs specs, LanguageModel model, int sinks, int window) =>
        model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, specs.Keys, specs.Values)) with { Sinks = sinks, Window = window };
}
