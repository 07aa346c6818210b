using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Makes the layouts of all layers; layers of the same specs share theirs, and their codecs with all others.</summary>
internal static class LayerLayouts
{
    private static readonly CodecSpec s_fp16 = CodecSpec.Parse("fp16");
    private static readonly CodecSpec s_fp32 = CodecSpec.Parse("fp32");

    /// <summary>Checks options and works them out.</summary>
    /// <exception cref="ArgumentException">They do not fit together.</exception>
    public static LayerLayout[] Create(KvCacheOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        CacheGeometry geometry = options.Geometry;
        if (options.Policy.Count != geometry.Layers)
            throw new ArgumentException($"The policy has {options.Policy.Count} layers; the geometry has {geometry.Layers}.", nameof(options));
        if (geometry.QueryHeads % geometry.KvHeads != 0)
            throw new ArgumentException($"{geometry.QueryHeads} query heads do not share {geometry.KvHeads} key-value heads evenly.", nameof(options));
        if (options.Eviction.Kept(options.Sinks) < 1)
            throw new ArgumentException($"The eviction keeps nothing beside {options.Sinks} sinks: {options.Eviction}.", nameof(options));

        PolicyCost.RequireFewSpecs(options.Policy);
        Dictionary<LayerSpecs, LayerLayout> known = [];
        Dictionary<(CodecSpec, int, CodecRole), Codec> codecs = [];
        var layouts = new LayerLayout[geometry.Layers];
        for (int layer = 0; layer < layouts.Length; layer++)
        {
            LayerSpecs pair = options.Policy[layer];
            if (!known.TryGetValue(pair, out LayerLayout? layout))
            {
                CodecSpec window = options.WindowCodec ?? (pair.Keys == s_fp32 || pair.Values == s_fp32 ? s_fp32 : s_fp16);
                layout = new LayerLayout(
                    options,
                    Side(pair.Keys, window, geometry.KeyDimension, CodecRole.KeyTiles),
                    Side(pair.Values, window, geometry.ValueDimension, CodecRole.ValueTiles));
                known.Add(pair, layout);
            }

            layouts[layer] = layout;
        }

        return layouts;

        SideLayout Side(CodecSpec spec, CodecSpec window, int dimension, CodecRole role) => new(Codec(spec, dimension, role), Codec(window, dimension, CodecRole.Rows));

        // Codecs do not change, so layers share them.
        Codec Codec(CodecSpec spec, int dimension, CodecRole role) =>
            codecs.TryGetValue((spec, dimension, role), out Codec? made) ? made : codecs[(spec, dimension, role)] = spec.CreateCodec(dimension, role);
    }
}
