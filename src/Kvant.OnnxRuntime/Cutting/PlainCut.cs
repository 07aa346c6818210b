using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>
/// Attention as products and a softmax: what becomes of past and new keys meets the queries in one product, what becomes of the values meets the weights in another. What happens between (scales, masks,
/// heads that are repeated) is not read but run: <see cref="PlainCheck"/>.
/// </summary>
internal static class PlainCut
{
    private static readonly string[] s_moves = ["Transpose", "Unsqueeze", "Squeeze", "Expand", "Tile", "Reshape", "Gather", "Mul", "Div", "Cast", "Identity"];

    public static AttentionCut Of(GraphIndex graph, int layer, OnnxNode concat, OnnxValue keys, OnnxValue values)
    {
        OnnxNode[] valueUsers = [.. graph.Consumers(values.Name).Where(node => !node.Is("Shape"))];
        if (valueUsers is not [var valueConcat] || !IsConcat(concat, keys.Name) || !IsConcat(valueConcat, values.Name))
            throw Refused(layer, $"'{keys.Name}' and '{values.Name}' are not each put before the new rows by a Concat along tokens");
        (OnnxNode scores, int queryType) = FindProduct(graph, layer, concat.Output(0), keys.ElementType);
        (OnnxNode mixed, int type) = FindProduct(graph, layer, valueConcat.Output(0), values.ElementType);
        AttentionCut cut = new()
        {
            Layer = layer,
            Queries = scores.Input(0),
            Keys = concat.Input(1),
            Values = valueConcat.Input(1),
            Output = mixed.Output(0),
            QueryType = queryType,
            OutputType = type,
            HeadsFirst = true,
        };
        OnnxNode[] products = [.. Piece(graph, cut).Where(node => node.Operation is "MatMul" or "Gemm" or "FusedMatMul" or "MatMulNBits")];
        return scores != mixed && products.Length == 2 && products.Contains(scores) ? cut
            : throw Refused(layer, $"between its queries and what it gives are {products.Length} products; two are wanted, that of the scores and that of the values");
    }

    /// <summary>The nodes of a layer's attention, with those that make its mask.</summary>
    public static IReadOnlyList<OnnxNode> Piece(GraphIndex graph, AttentionCut cut) => graph.Needed([cut.Output], cut.Queries, cut.Keys, cut.Values);

    private static bool IsConcat(OnnxNode node, string past) => node.Is("Concat") && node.Inputs.Count == 2 && node.Input(0) == past && node.Number("axis", 0) is 2 or -2;

    // Where rows end up after they were moved about: the product whose second factor they are, and their type there.
    private static (OnnxNode Product, int Type) FindProduct(GraphIndex graph, int layer, string rows, int type)
    {
        HashSet<OnnxNode> products = [];
        Stack<(string Value, int Type)> open = new([(rows, type)]);
        int found = type;
        while (open.TryPop(out (string Value, int Type) at))
        {
            foreach (OnnxNode node in graph.Consumers(at.Value))
            {
                if (node.Is("MatMul") && node.Input(1) == at.Value)
                {
                    products.Add(node);
                    found = at.Type;
                }
                else if (node.Is(s_moves) && node.Input(0) == at.Value)
                    open.Push((node.Output(0), node.Is("Cast") ? (int)node.Number("to", at.Type) : at.Type));
                else if (!node.Is("Shape"))
                    throw Refused(layer, $"'{rows}' goes through {node}");
            }
        }

        return products.Count == 1 ? (products.Single(), found) : throw Refused(layer, $"'{rows}' is a factor of {products.Count} products; 1 is wanted");
    }

    private static NotSupportedException Refused(int layer, string reason) => new($"The attention of layer {layer} cannot be cut: {reason}.");
}
