using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.LanguageModels;

namespace Kvant.Evaluation.Experiments;

/// <summary>What is compared: one pair of codecs for all layers, or a policy with a name.</summary>
internal sealed record Contestant(string? Policy, LayerPolicy Layers)
{
    /// <summary>What it is called: the name of the policy, or the codecs in short.</summary>
    public string Name => Policy ?? new LayerSpecs(Layers[0].Keys, Layers[0].Values).ToString();

    /// <summary>The same with exact values.</summary>
    public LayerPolicy KeysOnly => new(Layers.Select(l => l.With(null, ModelExperiment.Exact)));

    /// <summary>The same with exact keys.</summary>
    public LayerPolicy ValuesOnly => new(Layers.Select(l => l.With(ModelExperiment.Exact, null)));

    public static Contestant Of(LayerSpecs pair, int layers) => new(null, LayerPolicy.Uniform(layers, pair.Keys, pair.Values));

    /// <summary>The pairs, then the policies.</summary>
    /// <exception cref="ArgumentException">A policy has another number of layers.</exception>
    public static Contestant[] All(IReadOnlyList<LayerSpecs> pairs, IReadOnlyList<NamedPolicy> policies, int layers)
    {
        foreach (NamedPolicy policy in policies.Where(p => p.Layers.Count != layers))
            throw new ArgumentException($"The policy '{policy.Name}' has {policy.Layers.Count} layers; {layers} are wanted.");
        return [.. pairs.Select(p => Of(p, layers)), .. policies.Select(p => new Contestant(p.Name, p.Layers))];
    }

    /// <summary>Bits by number in the compressed body, everything counted; of the oldest tokens where they are coded again as they age.</summary>
    public double BitsPerValue(CacheGeometry geometry) => Layers.GroupBy(layer => layer.Oldest).Sum(alike => alike.Count() *
        ((alike.Key.Keys.CreateCodec(geometry.KeyDimension, CodecRole.Keys).BitsPerValue * geometry.KeyDimension)
            + (alike.Key.Values.CreateCodec(geometry.ValueDimension, CodecRole.Values).BitsPerValue * geometry.ValueDimension)) / (geometry.KeyDimension + geometry.ValueDimension)) / Layers.Count;

    /// <summary>The specs of all layers as one text: that of the first where all are the same.</summary>
    public string Text(Func<LayerSpecs, string> side)
    {
        string[] all = [.. Layers.Select(side)];
        return all.Distinct().Count() == 1 ? all[0] : string.Join(" | ", all);
    }
}
