using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>What is compared: one pair of codecs for all layers, or a policy with a name.</summary>
internal sealed record Contestant(string? Policy, LayerPolicy Layers)
{
    public static Contestant Of(CodecPair pair, int layers) => new(null, LayerPolicy.Uniform(layers, pair.Keys, pair.Values));

    /// <summary>The same with exact values.</summary>
    public LayerPolicy KeysOnly => new(Layers.Select(l => l with { Values = ModelExperiment.Exact }));

    /// <summary>The same with exact keys.</summary>
    public LayerPolicy ValuesOnly => new(Layers.Select(l => l with { Keys = ModelExperiment.Exact }));

    /// <summary>Bits by number in the compressed body, everything counted.</summary>
    public double BitsPerValue(CacheGeometry geometry) => Layers.GroupBy(layer => layer).Sum(alike => alike.Count() *
        ((alike.Key.Keys.CreateCodec(geometry.KeyDimension, CodecRole.Keys).BitsPerValue * geometry.KeyDimension)
            + (alike.Key.Values.CreateCodec(geometry.ValueDimension, CodecRole.Values).BitsPerValue * geometry.ValueDimension)) / (geometry.KeyDimension + geometry.ValueDimension)) / Layers.Count;

    /// <summary>The specs of all layers as one text: that of the first where all are the same.</summary>
    public string Text(Func<LayerSpecs, CodecSpec> side)
    {
        string[] all = [.. Layers.Select(l => side(l).FullText)];
        return all.Distinct().Count() == 1 ? all[0] : string.Join(" | ", all);
    }
}
