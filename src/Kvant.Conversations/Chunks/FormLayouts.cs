using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Conversations.Chunks;

/// <summary>
/// Where rows lie of a sequence whose chunks have several forms: neighbors of one form are a step of their layer that no token reaches by itself, as <see cref="KvCache.Recode"/> makes them, the oldest the
/// last. The newest step, which tokens to come go to, has what the sequence is stored with.
/// </summary>
internal sealed class FormLayouts
{
    private readonly StepEnds[] _ends; // [layer], of all chunks

    /// <summary>Layouts of a sequence.</summary>
    /// <param name="plan">The sequence.</param>
    /// <param name="forms">Those of its chunks, the first one first; at most <see cref="Possible"/>.</param>
    public FormLayouts(ChunkPlan plan, ReadOnlySpan<ChunkForm> forms)
    {
        (Layouts, _ends) = (plan.Layouts, new StepEnds[plan.Layouts.Length]);
        if (!HasOthers(forms))
            return;
        Layouts = [.. plan.Layouts];
        Dictionary<(CodecSpec, int, CodecRole), Codec> codecs = [];
        foreach (ChunkForm form in forms)
            AddCodecs(plan, form, codecs);
        foreach (int layer in plan.OwnLayers)
        {
            LayerSpecs specs = plan.Stored.Specs(layer);
            for (int chunk = forms.Length - 1, step = 0; chunk >= 0; chunk--)
            {
                if (forms[chunk].Specs(layer) == specs)
                    continue;
                specs = forms[chunk].Specs(layer);
                Layouts[layer] = LayerLayouts.WithStep(Layouts[layer], Enumerable.Range(0, Layouts[layer].Steps.Length), specs, codecs);
                _ends[layer][step++] = (chunk + 1) * plan.Rows;
            }
        }
    }

    /// <summary>The layout of each layer.</summary>
    public LayerLayout[] Layouts { get; }

    /// <summary>How many chunks fit into a cache, from the first on: each layer has at most eight steps.</summary>
    public static int Possible(ChunkPlan plan, ReadOnlySpan<ChunkForm> forms)
    {
        int possible = forms.Length;
        foreach (int layer in HasOthers(forms) ? plan.OwnLayers : [])
        {
            LayerSpecs stored = plan.Stored.Specs(layer);
            for (int chunk = 0, changes = 0; chunk < possible; chunk++)
            {
                LayerSpecs specs = forms[chunk].Specs(layer);
                changes += chunk == 0 || specs != forms[chunk - 1].Specs(layer) ? 1 : 0;
                if (changes - (specs == stored ? 1 : 0) > StepEnds.Count)
                    possible = chunk;
            }
        }

        return possible;
    }

    /// <summary>What a layer is once some chunks are in place and nothing else: <see cref="ChunkPlan.Extent"/>, in steps.</summary>
    public LayerExtent Extent(ChunkPlan plan, int layer, int chunks, int firstRow = 0)
    {
        LayerExtent extent = plan.Extent(layer, chunks, firstRow);
        StepEnds ends = _ends[layer];
        foreach (ref int end in (Span<int>)ends)
            end = Math.Min(end, extent.BodyRows);
        return extent.With(ends);
    }

    private static bool HasOthers(ReadOnlySpan<ChunkForm> forms)
    {
        foreach (ChunkForm form in forms)
        {
            if (!form.IsStored)
                return true;
        }

        return false;
    }

    // Those that were made already, so that none is made for each layer.
    private static void AddCodecs(ChunkPlan plan, ChunkForm form, Dictionary<(CodecSpec, int, CodecRole), Codec> codecs)
    {
        foreach (int layer in plan.OwnLayers)
        {
            foreach ((int side, SideLayout layout) in form.Sides(layer).Index())
                codecs.TryAdd((form.Spec(layer, side), layout.Dimension, side == 0 ? CodecRole.KeyTiles : CodecRole.ValueTiles), layout.Codec);
        }
    }
}
