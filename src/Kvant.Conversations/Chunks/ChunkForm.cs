using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Conversations.Chunks;

/// <summary>
/// The codecs that the blocks of a chunk have: those under which its sequence was stored, or others since it was coded again. The key names the former, so a chunk is found as before;
/// its recipe says both.
/// </summary>
internal sealed class ChunkForm
{
    /// <summary>What stands before the names of the codecs of a chunk that was coded again.</summary>
    public const string Prefix = "recoded.";

    // No more than a file of a cache may ask for, and far less: there is one of them for every chunk.
    private const long MostSteps = 1L << 24;

    private readonly SideLayout[][] _sides; // [layer][side]; none for layers without rows of their own
    private readonly LayerSpecs[] _specs;

    // As stored.
    private ChunkForm(ChunkPlan plan)
    {
        (_specs, Recipe, IsStored) = ([.. plan.Layouts.Select(layout => layout.Steps[0].Specs)], plan.Recipe, true);
        _sides = Array.ConvertAll(plan.Layouts, layout => layout.Sides);
    }

    /// <summary>Other codecs than a sequence was stored with.</summary>
    /// <param name="plan">The sequence.</param>
    /// <param name="specs">The codecs of each layer; those of layers without rows of their own do not count.</param>
    /// <exception cref="ArgumentException">A codec does not take the dimension, chooses from data and can use no choice that was stored, or has blocks that a layer with a sliding window has no place for.</exception>
    public ChunkForm(ChunkPlan plan, IReadOnlyList<LayerSpecs> specs)
        : this(plan)
    {
        Dictionary<(CodecSpec, int, CodecRole), SideLayout> known = [];
        foreach (int layer in plan.OwnLayers)
        {
            LayerLayout layout = plan.Layouts[layer];
            LayerSpecs stored = _specs[layer];
            // Values that are part of keys have no codec.
            _specs[layer] = new(specs[layer].Keys, layout.Shape.ValuesInKeys ? stored.Values : specs[layer].Values);
            _sides[layer] = [.. layout.Sides.Select((side, i) => Coded(known, side, i == 0 ? stored.Keys : stored.Values, i == 0 ? _specs[layer].Keys : _specs[layer].Values, i))];
            // Of such layers parts of chunks are stored, which end where blocks do.
            if (layout.Shape.SlidingWindow > 0 && StepLayout.LargestBlock(_sides[layer]) > layout.BlockRows)
                throw new ArgumentException($"The codecs '{_specs[layer]}' have blocks of {StepLayout.LargestBlock(_sides[layer])} rows; layer {layer} has a sliding window and was stored in blocks of {layout.BlockRows}, the largest that it can have.", nameof(specs));
        }

        IsStored = plan.OwnLayers.All(layer => _specs[layer] == plan.Layouts[layer].Steps[0].Specs);
        Recipe = IsStored ? plan.Recipe : [.. plan.Recipe, .. ChunkRecipe.WriteCodecs(Prefix, plan.Options.Cache.Geometry, layer => _specs[layer])];
    }

    /// <summary>The recipe of such a chunk: the plan's, then the codecs that its blocks have now.</summary>
    public byte[] Recipe { get; }

    /// <summary>Whether blocks are as they were stored.</summary>
    public bool IsStored { get; }

    /// <summary>The form under which a sequence is stored.</summary>
    public static ChunkForm Stored(ChunkPlan plan) => new(plan);

    /// <summary>The form that a recipe names which begins as the plan's does; null where it means nothing.</summary>
    public static ChunkForm? Read(ChunkPlan plan, ReadOnlySpan<byte> recipe)
    {
        CacheGeometry geometry = plan.Options.Cache.Geometry;
        try
        {
            LayerSpecs[] specs = ChunkRecipe.ReadCodecs(ChunkRecipe.Read(recipe[plan.Recipe.Length..]), Prefix, geometry);
            PolicyCost.RequireFewSpecs(specs);
            if (PolicyCost.Steps(specs, geometry) > Math.Max(MostSteps, PolicyCost.Steps(plan.Options.Cache.Policy, geometry)))
                return null;
            // Said in another way, or said though nothing changed: nobody wrote that.
            ChunkForm form = new(plan, specs);
            return !form.IsStored && form.Recipe.AsSpan().SequenceEqual(recipe) ? form : null;
        }
        catch (Exception nothing) when (nothing is InvalidDataException or FormatException or ArgumentException or OverflowException)
        {
            return null;
        }
    }

    /// <summary>The codecs of a layer.</summary>
    public LayerSpecs Specs(int layer) => _specs[layer];

    /// <summary>The codec of one side of a layer: 0 for keys, 1 for values.</summary>
    public CodecSpec Spec(int layer, int side) => side == 0 ? _specs[layer].Keys : _specs[layer].Values;

    /// <summary>How blocks of a layer lie: keys, then values.</summary>
    public SideLayout[] Sides(int layer) => _sides[layer];

    /// <summary>Rows of a layer that stand or fall together.</summary>
    public int BlockRows(ChunkPlan plan, int layer) => Math.Max(plan.Layouts[layer].BlockRows, StepLayout.LargestBlock(_sides[layer]));

    /// <summary>Bytes of some rows of a layer.</summary>
    public long BlockBytes(ChunkPlan plan, int layer, int rows) => plan.Layouts[layer].Heads * _sides[layer].Sum(side => side.BlockBytes(rows));

    /// <summary>Whether another form is the same.</summary>
    public bool Is(ChunkForm other) => ReferenceEquals(this, other) || Recipe.AsSpan().SequenceEqual(other.Recipe);

    /// <summary>What this form becomes by codecs that are the same for all layers: each side takes the new one where that makes it smaller, but for layers with sliding windows that have no place for its blocks.</summary>
    /// <param name="plan">The sequence.</param>
    /// <param name="to">The codecs.</param>
    /// <exception cref="ArgumentException">A codec does not take the dimension, or chooses from data and can use no choice that was stored.</exception>
    public ChunkForm Smaller(ChunkPlan plan, LayerSpecs to)
    {
        Dictionary<(CodecSpec, int, CodecRole), SideLayout> known = [];
        return new(plan, [.. plan.Layouts.Select((layout, layer) => new LayerSpecs(Smaller(layout, layer, 0, to.Keys, _specs[layer].Keys), Smaller(layout, layer, 1, to.Values, _specs[layer].Values)))]);

        CodecSpec Smaller(LayerLayout layout, int layer, int side, CodecSpec spec, CodecSpec now)
        {
            if (side == layout.Sides.Length)
                return now;
            LayerSpecs stored = layout.Steps[0].Specs;
            SideLayout coded = Coded(known, layout.Sides[side], side == 0 ? stored.Keys : stored.Values, spec, side);
            bool fits = layout.Shape.SlidingWindow == 0 || StepLayout.LargestBlock(coded) <= layout.BlockRows;
            return fits && coded.BlockBytes(SideLayout.PageRows) < _sides[layer][side].BlockBytes(SideLayout.PageRows) ? spec : now;
        }
    }

    private static SideLayout Coded(Dictionary<(CodecSpec, int, CodecRole), SideLayout> known, SideLayout stored, CodecSpec before, CodecSpec spec, int side)
    {
        if (spec == before)
            return stored;
        CodecRole role = side == 0 ? CodecRole.KeyTiles : CodecRole.ValueTiles;
        if (!known.TryGetValue((spec, stored.Dimension, role), out SideLayout? coded))
            known.Add((spec, stored.Dimension, role), coded = new(spec.CreateCodec(stored.Dimension, role), stored.WindowCodec));
        return coded.Codec.CalibrationRows == 0 || coded.Codec.CanTakeStateOf(stored.Codec) ? coded
            : throw new ArgumentException($"The codec '{spec}' chooses from data, and what '{before}' chose is of no use to it: stored blocks cannot be coded with it.", nameof(spec));
    }
}
