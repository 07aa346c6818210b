using System.Globalization;
using Kvant.Caching;
using Kvant.OnnxRuntime.Graphs;
using Kvant.OnnxRuntime.Native;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>What is known of a cut model only once it runs.</summary>
/// <param name="Cuts">Where it is cut, complete.</param>
/// <param name="Geometry">The shape of its caches.</param>
/// <param name="Inputs">What it is told of a step.</param>
internal sealed record CutShapes(IReadOnlyList<AttentionCut> Cuts, CacheGeometry Geometry, StepInputs Inputs)
{
    /// <summary>Runs a cut model once, without attention, and the pieces of its graph that were its attention.</summary>
    public static CutShapes Of(OnnxModel model, IReadOnlyList<AttentionCut> cuts, OperationSession session, CutWork work)
    {
        var inputs = new StepInputs(session.Session);
        OnnxValue Past(bool value, int layer) => model.Inputs.First(input => PastLayout.Parse(input.Name, "past") == (layer, value));
        LayerGeometry[] layers = [.. cuts.Select(cut => new LayerGeometry { KvHeads = Size(Past(false, cut.Layer), 1), KeyDimension = Size(Past(false, cut.Layer), 3), ValueDimension = Size(Past(true, cut.Layer), 3) })];
        int[] heads = [.. cuts.Select(cut => cut.QueryHeads)];
        if (heads.Contains(0))
        {
            work.Attend = (layer, call) =>
            {
                heads[layer] = (int)call.Shape(0)[1];
                call.Output(0, 1, heads[layer], 1, layers[layer].ValueDimension).Clear();
            };
            using OrtIoBinding binding = session.Session.CreateIoBinding();
            inputs.Bind(binding, [0], [0], 0, left: true);
            binding.BindOutputToDevice("logits", OrtMemoryInfo.DefaultInstance);
            session.Run(binding);
        }

        CacheGeometry geometry = new() { Layers = layers.Length, KvHeads = layers[0].KvHeads, QueryHeads = heads[0], KeyDimension = layers[0].KeyDimension, ValueDimension = layers[0].ValueDimension };
        return new CutShapes([.. cuts.Select(Checked)], geometry.WithLayers((layer, _) => layers[layer] with { QueryHeads = heads[layer] }), inputs);

        AttentionCut Checked(AttentionCut cut)
        {
            if (!cut.IsPlain)
                return cut;
            using var check = new PlainCheck(model, cut, layers[cut.Layer] with { QueryHeads = heads[cut.Layer] });
            return check.Run();
        }
    }

    private static int Size(OnnxValue value, int axis) => value.Dimensions is { Count: 4 } shape && int.TryParse(shape[axis], NumberStyles.None, CultureInfo.InvariantCulture, out int size) && size > 0 ? size
        : throw new NotSupportedException($"'{value.Name}' is [{string.Join(", ", value.Dimensions ?? [])}]; [batch, key-value heads, tokens, numbers] is wanted, heads and numbers said.");
}
