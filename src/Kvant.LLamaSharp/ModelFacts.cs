using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kvant.Caching;
using Kvant.Codecs;
using LLama;
using LLama.Abstractions;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>What a context says of its model: the shape of its cache, how positions turn keys, and a fingerprint.</summary>
internal sealed record ModelFacts
{
    // Neighboring channels are turned together, or those that lie half a head apart, as ggml numbers it.
    private const int Neighbors = 0;
    private const int Halves = 2;

    private readonly Dictionary<string, string> _metadata;

    private ModelFacts(LLamaContext context)
    {
        SafeLlamaModelHandle model = context.NativeHandle.ModelHandle;
        _metadata = Read(model);
        Architecture = _metadata.GetValueOrDefault("general.architecture", "");
        int heads = Math.Max(1, model.HeadCount), keys = Number("attention.key_length") ?? model.EmbeddingSize / heads;
        (RotaryEmbedding? rotary, string positions) = Positions(context.Params, (int)model.RopeType, keys);
        HasRecurrentLayers = model.IsRecurrent || _metadata.Keys.Any(key => key.StartsWith($"{Architecture}.ssm.", StringComparison.Ordinal) || key.StartsWith($"{Architecture}.wkv", StringComparison.Ordinal));
        HasSlidingWindows = model.SWACount > 0;
        Geometry = new()
        {
            Layers = Math.Max(1, model.LayerCount),
            KvHeads = Math.Max(1, model.KVHeadCount),
            KeyDimension = keys,
            ValueDimension = Number("attention.value_length") ?? keys,
            Rotary = rotary,
        };
        // Layers may differ, and not all that they do is said: far more than any has.
        WidestRow = 16L * Math.Max(model.EmbeddingSize, (long)Geometry.KvHeads * Math.Max(Geometry.KeyDimension, Geometry.ValueDimension));
        Identity = new() { Weights = Fingerprint(model), Positions = positions };
    }

    /// <summary>The architecture's name.</summary>
    public string Architecture { get; }

    /// <summary>The shape of the cache, all layers alike: where some differ, a state says how wide their rows are.</summary>
    public CacheGeometry Geometry { get; }

    /// <summary>Numbers of a token's keys, or values, in a layer, at most.</summary>
    public long WidestRow { get; }

    /// <summary>What its states belong to.</summary>
    public CacheIdentity Identity { get; }

    /// <summary>Whether some layers keep something else than keys and values.</summary>
    public bool HasRecurrentLayers { get; }

    /// <summary>Whether some layers forget.</summary>
    public bool HasSlidingWindows { get; }

    /// <summary>What a context says.</summary>
    public static ModelFacts Of(LLamaContext context) => new(context);

    /// <summary>The shape, with as many layers as a state has: those that keep something else have no rows.</summary>
    public CacheGeometry GeometryOf(int layers) => HasRecurrentLayers && layers is > 0 && layers < Geometry.Layers ? Geometry with { Layers = layers } : Geometry;

    private static Dictionary<string, string> Read(SafeLlamaModelHandle model)
    {
        Dictionary<string, string> metadata = [];
        for (int i = 0; i < model.MetadataCount; i++)
        {
            if (model.MetadataKeyByIndex(i) is { } key && model.MetadataValueByIndex(i) is { } value)
                metadata[Encoding.UTF8.GetString(key.Span)] = Encoding.UTF8.GetString(value.Span);
        }

        return metadata;
    }

    private int? Number(string key) => int.TryParse(_metadata.GetValueOrDefault($"{Architecture}.{key}"), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number : null;

    private double? Real(string key) => double.TryParse(_metadata.GetValueOrDefault($"{Architecture}.{key}"), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0 && double.IsNormal(number) ? number : null;

    // Only how well keys compress depends on the first; keys of other positions than the second says are other keys.
    private (RotaryEmbedding? Rotary, string Text) Positions(IContextParams context, int type, int keys)
    {
        double @base = context.RopeFrequencyBase is > 0 and var said ? said : Real("rope.freq_base") ?? 10_000;
        string scaling = _metadata.GetValueOrDefault($"{Architecture}.rope.scaling.type", "none");
        double divisor = context.RopeFrequencyScale is > 0 and var scale ? 1 / scale : scaling == "linear" ? Real("rope.scaling.factor") ?? 1 : 1;
        int turned = Number("rope.dimension_count") ?? keys;
        bool isPlain = type is Neighbors or Halves && turned <= keys && turned % 2 == 0 && scaling is "none" or "linear" && (context.YarnScalingType ?? RopeScalingType.Unspecified) is RopeScalingType.Unspecified or RopeScalingType.None;
        string text = string.Create(CultureInfo.InvariantCulture, $"rope {type} of {turned}, base {@base:R}, divisor {divisor:R}, scaling {scaling}/{context.YarnScalingType}, yarn {context.YarnExtrapolationFactor}/{context.YarnAttentionFactor}/{context.YarnBetaFast}/{context.YarnBetaSlow}/{context.YarnOriginalContext}");
        return (isPlain ? new() { Base = @base, Divisor = divisor, Dimension = turned == keys ? 0 : turned, Pairs = type == Halves ? RotaryPairs.Halves : RotaryPairs.Neighbors } : null, text);
    }

    // llama.cpp shows no weights: names, settings and sizes of the model stand for them.
    private string Fingerprint(SafeLlamaModelHandle model)
    {
        var text = new StringBuilder();
        foreach ((string key, string value) in _metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"{key.Length}:{key}={value.Length}:{value}\n");
        text.Append(CultureInfo.InvariantCulture, $"{model.ParameterCount} {model.SizeInBytes} {model.LayerCount} {model.EmbeddingSize} {model.HeadCount} {model.KVHeadCount} {model.Vocab.Count}");
        return "llama.cpp " + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
