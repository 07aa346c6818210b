using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Models.Decoding;

/// <summary>How a user says how a cache is compressed: the name of a preset, steps by age (<see cref="LayerSpecs.FromText"/>), or a policy file, which must be one for the model.</summary>
internal static class PolicyText
{
    /// <summary>The names of all presets.</summary>
    internal static readonly string Presets = string.Join(", ", CachePreset.All.Select(static p => p.Name));

    /// <summary>Whether a text says steps by age instead of naming a preset or a file.</summary>
    internal static bool IsSteps(string text) => text.Contains(';', StringComparison.Ordinal);

    /// <summary>Says that a text is nothing of all that; null where it is something, right or wrong.</summary>
    internal static string? Unknown(string text) => CachePreset.Find(text) is null && !IsSteps(text) && !File.Exists(text) ? $"'{text}' is neither a preset ({Presets}) nor a file" : null;

    /// <summary>The policy.</summary>
    /// <param name="text">What the user said.</param>
    /// <param name="geometry">The cache that it is for.</param>
    /// <param name="source">The model, or null where nobody knows which one it is.</param>
    /// <exception cref="ArgumentException">It is neither a preset nor a file, or does not fit.</exception>
    /// <exception cref="FormatException">Steps by age are not understood.</exception>
    /// <exception cref="InvalidDataException">The file is no policy, or one for another model.</exception>
    internal static CachePolicy Load(string text, CacheGeometry geometry, PolicySource? source)
    {
        if (Unknown(text) is { } unknown)
            throw new ArgumentException(unknown);
        if (CachePreset.Find(text) is { } preset)
            return Of(KvCacheOptions.Preset(preset.Name, geometry));
        if (IsSteps(text))
            return Of(new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(geometry.Layers, LayerSpecs.FromText(text)) });
        CachePolicy policy = CachePolicyFile.Load(text);
        if (!policy.Geometry.StoresLike(geometry))
            throw new InvalidDataException($"{text}: the policy is for {Shape(policy.Geometry)}; here are {Shape(geometry)}");
        if (source is not null && policy.SourceHash is { } hash && hash != source.Hash())
            throw new InvalidDataException($"{text}: the policy was chosen for another model than {source.Name}; tune again for this one");
        return policy;
    }

    private static CachePolicy Of(KvCacheOptions options) => new() { Geometry = options.Geometry, Layers = (LayerPolicy)options.Policy, Sinks = options.Sinks, Window = options.Window };

    private static string Shape(CacheGeometry g) => $"{g.Layers} layers of {g.KvHeads} heads with {g.KeyDimension} and {g.ValueDimension} numbers{(g.IsUniform ? "" : ", some of which differ")}";
}
