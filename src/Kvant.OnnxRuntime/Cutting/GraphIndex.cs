using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>Who makes and who uses each value of a graph.</summary>
internal sealed class GraphIndex
{
    private readonly Dictionary<string, OnnxNode> _producers = [];
    private readonly ILookup<string, OnnxNode> _consumers;

    public GraphIndex(OnnxModel model)
    {
        Model = model;
        foreach (OnnxNode node in model.Nodes)
        {
            foreach (string output in node.Outputs.Where(output => output.Length > 0))
                _producers[output] = node;
        }

        _consumers = model.Nodes.SelectMany(node => node.Inputs.Distinct().Select(input => (input, node))).ToLookup(pair => pair.input, pair => pair.node);
    }

    public OnnxModel Model { get; }

    public OnnxNode? Producer(string value) => _producers.GetValueOrDefault(value);

    public IEnumerable<OnnxNode> Consumers(string value) => _consumers[value];

    /// <summary>The nodes that some values need, in the graph's order.</summary>
    /// <param name="values">What is wanted.</param>
    /// <param name="given">What need not be computed.</param>
    public IReadOnlyList<OnnxNode> Needed(IEnumerable<string> values, params ReadOnlySpan<string> given)
    {
        HashSet<string> seen = [.. given];
        HashSet<OnnxNode> nodes = [];
        Stack<string> open = new(values);
        while (open.TryPop(out string? value))
        {
            if (value.Length == 0 || !seen.Add(value) || Producer(value) is not { } node || !nodes.Add(node))
                continue;
            foreach (string input in node.Inputs)
                open.Push(input);
        }

        return [.. Model.Nodes.Where(nodes.Contains)];
    }
}
