using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>Finds the attention of every layer in an exported decoder, or says why it does not.</summary>
internal static class CutFinder
{
    /// <summary>Finds it.</summary>
    /// <exception cref="NotSupportedException">The graph has something that is not understood.</exception>
    /// <exception cref="InvalidDataException">The graph has no past.</exception>
    public static IReadOnlyList<AttentionCut> Find(OnnxModel model)
    {
        if (model.HasMore || model.Nodes.FirstOrDefault(node => node.Attributes.Any(attribute => attribute.HasGraph)) is not null)
            throw new NotSupportedException("The model has functions, branches or loops, which cannot be cut. Export the decoder with its past alone, not merged with the one without.");
        var graph = new GraphIndex(model);
        Dictionary<(int Layer, bool Value), OnnxValue> past = [];
        foreach (OnnxValue input in model.Inputs)
        {
            if (PastLayout.Parse(input.Name, "past") is { } place)
                past[place] = input;
        }

        int layers = past.Count / 2;
        if (layers == 0 || past.Keys.Any(key => key.Layer >= layers))
            throw new InvalidDataException($"The model has {past.Count} inputs for a past, such as 'past_key_values.0.key'; keys and values of every layer are wanted.");
        return [.. Enumerable.Range(0, layers).Select(layer => FindLayer(graph, layer, past[(layer, false)], past[(layer, true)]))];
    }

    private static AttentionCut FindLayer(GraphIndex graph, int layer, OnnxValue keys, OnnxValue values)
    {
        if (keys.ElementType is not (OnnxTensor.Float or OnnxTensor.Half) || values.ElementType != keys.ElementType)
            throw new NotSupportedException($"'{keys.Name}' holds numbers of ONNX's type {keys.ElementType}, '{values.Name}' of {values.ElementType}; floats or halves are wanted, of one kind.");
        OnnxNode[] users = [.. graph.Consumers(keys.Name).Where(node => !node.Is("Shape"))];
        return users switch
        {
            [{ Domain: OnnxModel.RuntimeDomain, Operation: "GroupQueryAttention" } node] => GroupQueryCut.Of(graph, layer, node, keys, values),
            [var node] when node.Is("Concat") => PlainCut.Of(graph, layer, node, keys, values),
            _ => throw new NotSupportedException($"'{keys.Name}' goes to {string.Join(", ", users.Select(user => user.ToString()))}; a GroupQueryAttention or a Concat with the new keys is understood."),
        };
    }
}
