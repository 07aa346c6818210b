using Kvant.OnnxRuntime.Cutting;
using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Layers;

/// <summary>
/// Puts operations of Kvant's into a graph that give each layer's past when the layer is computed, and take its new rows. Attention stays the graph's own.
/// </summary>
internal static class LayerGraph
{
    /// <summary>In the place of a Concat of past and new rows: new rows in, both out.</summary>
    public const string Join = "Join";

    /// <summary>Before an operation that takes a past: what that waits for in, and the past, which is written; the past out.</summary>
    public const string Give = "Give";

    /// <summary>Behind an operation that gives the present: its other output in, and keys and values, of which the new rows are taken; the first out.</summary>
    public const string Take = "Take";

    /// <summary>Changes a graph.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="layout">Its past.</param>
    /// <param name="shared">Whether past and present are one buffer: then they stay inputs and outputs, and all layers' are the same.</param>
    /// <exception cref="NotSupportedException">It uses its past in a way that is not understood.</exception>
    public static OnnxModel Of(OnnxModel model, PastLayout layout, bool shared)
    {
        if (model.HasMore || model.Nodes.Any(node => node.Attributes.Any(attribute => attribute.HasGraph)))
            throw Refused("it has functions, branches or loops");
        var graph = new GraphIndex(model);
        Dictionary<OnnxNode, OnnxNode[]> changed = new(ReferenceEqualityComparer.Instance);
        for (int layer = 0; layer < layout.Layers; layer++)
        {
            OnnxNode keys = User(graph, layout, 2 * layer), values = User(graph, layout, (2 * layer) + 1);
            if (ReferenceEquals(keys, values))
                changed.Add(keys, Around(keys, layout, layer));
            else
            {
                changed.Add(keys, [Joined(graph, keys, layout, 2 * layer)]);
                changed.Add(values, [Joined(graph, values, layout, (2 * layer) + 1)]);
            }
        }

        OnnxModel whole = model.With([.. model.Nodes.SelectMany(node => changed.GetValueOrDefault(node) ?? [node])], model.Inputs, model.Outputs);
        IReadOnlyList<OnnxNode> needed = new GraphIndex(whole).Needed(["logits"]);
        if (whole.Nodes.FirstOrDefault(node => node.Domain == OnnxModel.OwnDomain && !needed.Contains(node)) is { } idle)
            throw Refused($"its logits do not depend on {idle}");
        HashSet<string> used = [.. needed.SelectMany(node => node.Inputs)];
        return whole.With(needed, [.. model.Inputs.Where(input => input.Name == "input_ids" || used.Contains(input.Name))], [.. model.Outputs.Where(output => output.Name == "logits" || (shared && layout.Present.Contains(output.Name)))]);
    }

    // Who asks for the shape of a past gets it from an input that nobody reads.
    private static OnnxNode User(GraphIndex graph, PastLayout layout, int place)
    {
        OnnxNode[] users = [.. graph.Consumers(layout.Past[place]).Where(node => !node.Is("Shape"))];
        return users is [var node] ? node
            : throw Refused($"'{layout.Past[place]}' goes to {(users.Length == 0 ? "nobody" : string.Join(", ", users.Select(user => user.ToString())))}; one operation is wanted");
    }

    private static OnnxNode Joined(GraphIndex graph, OnnxNode node, PastLayout layout, int place)
    {
        bool joins = node.Is("Concat") && node.Inputs.Count == 2 && node.Input(0) == layout.Past[place] && node.Number("axis", 0) is 2 or -2;
        if (!joins || Origin(graph, layout.Present[place]) != node.Output(0))
            throw Refused($"'{layout.Past[place]}' goes to {node}, which does not put it before the new rows and give '{layout.Present[place]}'");
        return new OnnxNode { Operation = Join, Domain = OnnxModel.OwnDomain, Name = $"kvant.join.{place}", Inputs = [node.Input(1)], Outputs = [node.Output(0)], Attributes = [OnnxAttribute.Of("number", place)] };
    }

    // The past waits for what the operation has besides, and what comes behind for the rows that were taken: else a runtime might make all layers' pasts first, and keep what they became to the end.
    private static OnnxNode[] Around(OnnxNode node, PastLayout layout, int layer)
    {
        int[] places = [2 * layer, (2 * layer) + 1];
        string waits = node.Input(0), given = $"kvant.given.{layer}";
        if (waits.Length == 0 || node.Output(0).Length == 0 || node.Outputs.Skip(1).Intersect(places.Select(place => layout.Present[place])).Count() != 2)
            throw Refused($"{node}, which takes the past of layer {layer}, does not give what it attends to and '{layout.Present[places[0]]}' and '{layout.Present[places[1]]}'");
        return
        [
            .. places.Select(place => new OnnxNode { Operation = Give, Domain = OnnxModel.OwnDomain, Name = $"kvant.give.{place}", Inputs = [waits, layout.Past[place]], Outputs = [$"kvant.past.{place}"], Attributes = [OnnxAttribute.Of("number", place)] }),
            node with
            {
                Inputs = [.. node.Inputs.Select(input => Given(input))],
                Outputs = [given, .. node.Outputs.Skip(1)],
            },
            new OnnxNode
            {
                Operation = Take,
                Domain = OnnxModel.OwnDomain,
                Name = $"kvant.take.{layer}",
                Inputs = [given, .. places.Select(place => layout.Present[place])],
                Outputs = [node.Output(0)],
                Attributes = [OnnxAttribute.Of("number", layer)],
            },
        ];

        string Given(string input) => input == layout.Past[places[0]] ? $"kvant.past.{places[0]}" : input == layout.Past[places[1]] ? $"kvant.past.{places[1]}" : input;
    }

    private static string Origin(GraphIndex graph, string value)
    {
        while (graph.Producer(value) is { } node && node.Is("Identity"))
            value = node.Input(0);
        return value;
    }

    private static NotSupportedException Refused(string reason) => new($"The model cannot be given its past layer by layer: {reason}. Open it with layerByLayer: false.");
}
