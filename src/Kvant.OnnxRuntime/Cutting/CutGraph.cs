using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>Puts Kvant's attention into a graph, in the place of its own.</summary>
internal static class CutGraph
{
    /// <summary>The operation that attends.</summary>
    public const string Attention = "Attention";

    /// <summary>A graph without past and present.</summary>
    /// <exception cref="NotSupportedException">Something else needs the past.</exception>
    public static OnnxModel Of(OnnxModel model, IReadOnlyList<AttentionCut> cuts)
    {
        Dictionary<string, AttentionCut> outputs = [];
        foreach (AttentionCut cut in cuts)
        {
            if (cut.Output.Length == 0 || !outputs.TryAdd(cut.Output, cut))
                throw new NotSupportedException($"The attention of layer {cut.Layer} gives '{cut.Output}', which is nothing or another layer's.");
        }

        List<OnnxNode> nodes = [];
        foreach (OnnxNode node in model.Nodes)
        {
            if (outputs.GetValueOrDefault(node.Output(0)) is { } cut)
                nodes.AddRange(Replacement(cut));
            else
                nodes.Add(node);
        }

        OnnxModel whole = model.With(nodes, model.Inputs, model.Outputs);
        var graph = new GraphIndex(whole);
        IReadOnlyList<OnnxNode> needed = graph.Needed(["logits"]);
        OnnxValue[] past = [.. model.Inputs.Where(input => PastLayout.Parse(input.Name, "past") is not null)];
        foreach (OnnxNode node in needed)
        {
            if (past.FirstOrDefault(input => node.Inputs.Contains(input.Name)) is { } input)
                throw new NotSupportedException($"The graph still needs '{input.Name}' where its attention is cut: {node}. Export it with the input 'position_ids'.");
        }

        HashSet<string> used = [.. needed.SelectMany(node => node.Inputs)];
        return whole.With(needed, [.. model.Inputs.Except(past).Where(input => input.Name == "input_ids" || used.Contains(input.Name))], [.. model.Outputs.Where(output => output.Name == "logits")]);
    }

    private static IEnumerable<OnnxNode> Replacement(AttentionCut cut)
    {
        List<string> inputs = [];
        string name = $"kvant.{cut.Layer}";
        foreach (string input in new[] { cut.Queries, cut.Keys, cut.Values, cut.Cosines, cut.Sines })
        {
            inputs.Add(input.Length > 0 ? $"{name}.{inputs.Count}" : "");
            if (input.Length > 0)
                yield return Cast(input, inputs[^1], OnnxTensor.Float);
        }

        yield return new OnnxNode { Operation = Attention, Domain = OnnxModel.OwnDomain, Name = name, Inputs = inputs, Outputs = [name], Attributes = [OnnxAttribute.Of("number", cut.Layer)] };
        yield return Cast(name, cut.Output, cut.OutputType);
    }

    private static OnnxNode Cast(string from, string to, int type) =>
        new() { Operation = "Cast", Name = to + ".cast", Inputs = [from], Outputs = [to], Attributes = [OnnxAttribute.Of("to", type)] };
}
