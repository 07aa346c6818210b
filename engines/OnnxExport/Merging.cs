using Kvant.OnnxRuntime.Graphs;

namespace OnnxExport;

/// <summary>A decoder with a past and the same without one, as the two branches of a graph: as Optimum merges them.</summary>
internal static class Merging
{
    private const string Choice = "use_cache_branch";

    public static OnnxModel Of(OnnxModel model)
    {
        // Without a past what is present is what is new.
        OnnxNode[] without = [.. model.Nodes.Select(node => node.Is("Concat") && IsPast(node.Input(0)) ? node with { Operation = "Identity", Inputs = [node.Input(1)], Attributes = [] } : node)];
        return new OnnxModel
        {
            Operations = model.Operations,
            Nodes =
            [
                new OnnxNode
                {
                    Operation = "If",
                    Name = "merged",
                    Inputs = [Choice],
                    Outputs = [.. model.Outputs.Select(output => output.Name)],
                    Attributes = [Branch("then_branch", model.Nodes, model), Branch("else_branch", without, model)],
                },
            ],
            Tensors = model.Tensors,
            Inputs = [.. model.Inputs, new OnnxValue(Choice, OnnxTensor.Bool, ["1"])],
            Outputs = model.Outputs,
        };
    }

    private static bool IsPast(string name) => name.StartsWith("past_key_values.", StringComparison.Ordinal);

    // What a branch computes has names of its own; inputs and tensors are those of the graph around it.
    private static OnnxAttribute Branch(string name, IEnumerable<OnnxNode> nodes, OnnxModel model)
    {
        HashSet<string> made = [.. model.Nodes.SelectMany(node => node.Outputs)];
        string Own(string value) => made.Contains(value) ? $"{name}.{value}" : value;
        WireWriter graph = new WireWriter().Text(2, name);
        foreach (OnnxNode node in nodes)
            graph.Nested(1, (node with { Name = $"{name}.{node.Name}", Inputs = [.. node.Inputs.Select(Own)], Outputs = [.. node.Outputs.Select(Own)] }).Write());
        foreach (OnnxValue output in model.Outputs)
            graph.Nested(12, (output with { Name = Own(output.Name) }).Write());
        return OnnxAttribute.Read(new WireWriter().Text(1, name).Nested(6, graph).Number(20, 5).Message);
    }
}
