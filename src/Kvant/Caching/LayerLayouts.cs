using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Makes the layouts of all layers; layers of the same shape and specs share theirs, and their codecs with all others.</summary>
internal static class LayerLayouts
{
    private static readonly CodecSpec s_fp16 = CodecSpec.Parse("fp16");
    private static readonly CodecSpec s_fp32 = CodecSpec.Parse("fp32");

    /// <summary>Makes each codec of a policy once, to know that all take the dimensions of their layers.</summary>
    /// <exception cref="ArgumentException">One does not, or the layers do not fit together.</exception>
    public static void RequireCodecs(IReadOnlyList<LayerSpecs> policy, CacheGeometry geometry)
    {
        HashSet<(CodecSpec, int, CodecRole)> needed = [];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            LayerGeometry shape = geometry[layer];
            shape.RequireConsistent(layer, geometry);
            if (shape.SharedLayer is not null)
                continue;
            foreach ((CodecSpec keys, CodecSpec values) in policy[layer].Steps)
            {
                needed.Add((keys, shape.KeyDimension, CodecRole.Keys));
                if (!shape.ValuesInKeys)
                    needed.Add((values, shape.ValueDimension, CodecRole.Values));
            }
        }

        foreach ((CodecSpec spec, int dimension, CodecRole role) in needed)
            spec.CreateCodec(dimension, role);
    }

    /// <summary>Checks options and works them out.</summary>
    /// <exception cref="ArgumentException">They do not fit together.</exception>
    public static LayerLayout[] Create(KvCacheOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        CacheGeometry geometry = options.Geometry;
        if (options.Policy.Count != geometry.Layers)
            throw new ArgumentException($"The policy has {options.Policy.Count} layers; the geometry has {geometry.Layers}.", nameof(options));
        PolicyCost.RequireFewSpecs(options.Policy);
        Dictionary<(LayerSpecs, LayerGeometry, RotaryEmbedding?), LayerLayout> known = [];
        Dictionary<(CodecSpec, int, CodecRole), Codec> codecs = [];
        var layouts = new LayerLayout[geometry.Layers];
        for (int layer = 0; layer < layouts.Length; layer++)
        {
            LayerGeometry shape = geometry[layer];
            shape.RequireConsistent(layer, geometry);
            LayerSpecs specs = options.Policy[layer];
            layouts[layer] = shape.SharedLayer is { } source ? layouts[source]
                : known.TryGetValue((specs, shape, shape.Rotary), out LayerLayout? layout) ? layout
                : known[(specs, shape, shape.Rotary)] = Layout(specs, shape);
        }

        return layouts;

        LayerLayout Layout(LayerSpecs specs, LayerGeometry shape)
        {
            Eviction eviction = specs.Eviction ?? options.Eviction;
            if (eviction.Kept(options.Sinks) < 1)
                throw new ArgumentException($"The eviction keeps nothing beside {options.Sinks} sinks: {eviction}.", nameof(options));
            CodecSpec window = options.WindowCodec ?? (specs.Keys == s_fp32 || specs.Values == s_fp32 ? s_fp32 : s_fp16);
            if (specs.Ages is [var first, ..] && first.Age <= options.Window)
                throw new ArgumentException($"The first step by age begins at {first.Age} tokens; it must be more than the window's {options.Window}.", nameof(options));
            return new(options, shape, eviction, StepsOf(specs, shape.KvHeads, Sides));

            SideLayout[] Sides(CodecSpec keySpec, CodecSpec valueSpec)
            {
                SideLayout keys = Side(keySpec, window, shape.KeyDimension, CodecRole.KeyTiles);
                return shape.ValuesInKeys ? [keys] : [keys, Side(valueSpec, window, shape.ValueDimension, CodecRole.ValueTiles)];
            }
        }

        SideLayout Side(CodecSpec spec, CodecSpec window, int dimension, CodecRole role) => new(Codec(spec, dimension, role), Codec(window, dimension, CodecRole.Rows));

        // Codecs do not change, so layers share them.
        Codec Codec(CodecSpec spec, int dimension, CodecRole role) =>
            codecs.TryGetValue((spec, dimension, role), out Codec? made) ? made : codecs[(spec, dimension, role)] = spec.CreateCodec(dimension, role);
    }

    // Blocks of all steps that rows come to by themselves move alike, so that the borders of one are borders of the next; those that calls make may have larger ones.
    private static StepLayout[] StepsOf(LayerSpecs specs, int heads, Func<CodecSpec, CodecSpec, SideLayout[]> sidesOf)
    {
        (CodecSpec Keys, CodecSpec Values)[] all = [.. specs.Steps];
        SideLayout[][] sides = [.. all.Select(pair => sidesOf(pair.Keys, pair.Values))];
        int unit = sides.Where((_, step) => AgeOf(step) < AgeStep.Never).Max(of => StepLayout.LargestBlock(of));
        var steps = new StepLayout[all.Length];
        for (int step = 0; step < steps.Length; step++)
        {
            unit = AgeOf(step) < AgeStep.Never ? unit : Math.Max(unit, StepLayout.LargestBlock(sides[step]));
            steps[step] = new(new LayerSpecs(all[step].Keys, all[step].Values), AgeOf(step), unit, heads, sides[step], step == 0 ? null : steps[step - 1]);
        }

        return steps;

        int AgeOf(int step) => step == 0 ? 0 : specs.Ages[step - 1].Age;
    }
}
