using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Makes the layouts of all layers; layers of the same shape and specs share theirs, and their codecs with all others.</summary>
internal static class LayerLayouts
{
    // More is no limit.
    private const long MostLimit = 1L << 50;

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
        if (options.Floor is { } floor && floor.Count != geometry.Layers)
            throw new ArgumentException($"The floor has {floor.Count} layers; the geometry has {geometry.Layers}.", nameof(options));
        PolicyCost.RequireFewSpecs([.. options.Policy, .. options.Floor ?? []]);
        Dictionary<(LayerSpecs, LayerGeometry, RotaryEmbedding?), LayerLayout> known = [];
        Dictionary<(CodecSpec, int, CodecRole), Codec> codecs = [];
        var layouts = new LayerLayout[geometry.Layers];
        for (int layer = 0; layer < layouts.Length; layer++)
        {
            LayerGeometry shape = geometry[layer];
            shape.RequireConsistent(layer, geometry);
            LayerSpecs specs = shape.SharedLayer is null ? Specs(layer, shape) : options.Policy[layer];
            layouts[layer] = shape.SharedLayer is { } source ? layouts[source]
                : known.TryGetValue((specs, shape, shape.Rotary), out LayerLayout? layout) ? layout
                : known[(specs, shape, shape.Rotary)] = Layout(specs, shape);
        }

        // Layers of equal specs and shape have equal shares.
        if (options.MemoryLimit is { } limit and < MostLimit)
        {
            double all = geometry.OwnLayers.Sum(layer => (double)layouts[layer].OldestPageBytes);
            foreach (LayerLayout each in known.Values)
                each.MemoryLimit = (long)(limit * (each.OldestPageBytes / all));
        }

        return layouts;

        // With the steps that lead to the floor; a side that takes no more already has none.
        LayerSpecs Specs(int layer, LayerGeometry shape)
        {
            LayerSpecs specs = options.Policy[layer];
            if (options.Floor is null || !options.IsLimited)
                return specs;
            (LayerSpecs from, LayerSpecs to) = (specs.Oldest, options.Floor[layer].Oldest);
            return specs.Above(new(Smaller(from.Keys, to.Keys, shape.KeyDimension, CodecRole.KeyTiles), shape.ValuesInKeys ? from.Values : Smaller(from.Values, to.Values, shape.ValueDimension, CodecRole.ValueTiles)));
        }

        CodecSpec Smaller(CodecSpec from, CodecSpec to, int dimension, CodecRole role) => Codec(to, dimension, role).BitsPerValue < Codec(from, dimension, role).BitsPerValue ? to : from;

        LayerLayout Layout(LayerSpecs specs, LayerGeometry shape)
        {
            Eviction eviction = specs.Eviction ?? options.Eviction;
            if (eviction.Kept(options.Sinks) < 1)
                throw new ArgumentException($"The eviction keeps nothing beside {options.Sinks} sinks: {eviction}.", nameof(options));
            CodecSpec window = options.WindowCodec ?? (specs.Keys == s_fp32 || specs.Values == s_fp32 ? s_fp32 : s_fp16);
            if (specs.Ages is [var first, ..] && first.Age <= options.Window)
                throw new ArgumentException($"The first step by age begins at {first.Age} tokens; it must be more than the window's {options.Window}.", nameof(options));
            StepLayout[] steps = StepsOf(specs.Steps.Select((pair, step) => (new LayerSpecs(pair.Keys, pair.Values), step == 0 ? 0 : specs.Ages[step - 1].Age, Sides(pair.Keys, pair.Values))), shape.KvHeads);
            RequireShrinking(steps);
            return new(options, shape, eviction, steps);

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

    /// <summary>The layout of a layer whose oldest rows a call codes again.</summary>
    /// <param name="layout">What it is.</param>
    /// <param name="kept">The steps that stay, ascending.</param>
    /// <param name="added">The codecs of one more, which no row reaches by itself; null for none.</param>
    /// <param name="codecs">Codecs that were made for layers before, to which those of the new step are added.</param>
    public static LayerLayout WithStep(LayerLayout layout, IEnumerable<int> kept, LayerSpecs? added, Dictionary<(CodecSpec, int, CodecRole), Codec> codecs)
    {
        List<(LayerSpecs, int, SideLayout[])> steps = [.. kept.Select(step => (layout.Steps[step].Specs, layout.Steps[step].Age, layout.Steps[step].Sides))];
        if (added is not null)
        {
            // The codec that another step has for a side is the same one, so that attention goes from the one to the other without leaving its basis.
            SideLayout[] sides = [.. layout.Sides.Select((side, i) => Array.Find(layout.Steps, step => step.SpecOf(i) == Spec(i))?.Sides[i]
                ?? new SideLayout(Codec(Spec(i), side.Dimension, i == 0 ? CodecRole.KeyTiles : CodecRole.ValueTiles), side.WindowCodec))];
            steps.Add((added, AgeStep.Never, sides));
        }

        return new(layout.Options, layout.Shape, layout.Eviction, StepsOf(steps, layout.Heads)) { Origin = layout.Origin ?? layout, MemoryLimit = layout.MemoryLimit };

        CodecSpec Spec(int side) => side == 0 ? added.Keys : added.Values;

        Codec Codec(CodecSpec spec, int dimension, CodecRole role) =>
            codecs.TryGetValue((spec, dimension, role), out Codec? made) ? made : codecs[(spec, dimension, role)] = spec.CreateCodec(dimension, role);
    }

    // What is needed of a step that makes a full layer smaller could not be said where it makes rows larger.
    private static void RequireShrinking(StepLayout[] steps)
    {
        for (int step = 1; step < steps.Length; step++)
        {
            StepLayout smallest = steps[..step].MinBy(before => before.PageBytes)!;
            if (steps[step].Age == AgeStep.WhenFull && steps[step].PageBytes > smallest.PageBytes)
                throw new ArgumentException($"'{steps[step].Specs}' takes {steps[step].PageBytes} bytes for {SideLayout.PageRows} tokens, and '{smallest.Specs}' before it {smallest.PageBytes}; what tokens become as a cache fills must not be larger.", nameof(steps));
        }
    }

    // Blocks of all steps that rows come to by themselves move alike, so that the borders of one are borders of the next; those that calls make may have larger ones.
    private static StepLayout[] StepsOf(IEnumerable<(LayerSpecs Specs, int Age, SideLayout[] Sides)> all, int heads)
    {
        (LayerSpecs Specs, int Age, SideLayout[] Sides)[] wanted = [.. all];
        int unit = wanted.Where(step => step.Age < AgeStep.Never).Max(step => StepLayout.LargestBlock(step.Sides));
        var steps = new StepLayout[wanted.Length];
        for (int i = 0; i < steps.Length; i++)
        {
            (LayerSpecs specs, int age, SideLayout[] sides) = wanted[i];
            unit = age < AgeStep.Never ? unit : Math.Max(unit, StepLayout.LargestBlock(sides));
            steps[i] = new(specs, age, unit, heads, sides, i == 0 ? null : steps[i - 1]);
        }

        return steps;
    }
}
