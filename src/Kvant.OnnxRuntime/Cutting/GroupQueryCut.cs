using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>Attention that is one operation of ONNX Runtime: GroupQueryAttention, as its documentation of contributed operators describes it.</summary>
internal static class GroupQueryCut
{
    private static readonly string[] s_known = ["num_heads", "kv_num_heads", "scale", "softcap", "do_rotary", "rotary_interleaved", "local_window_size", "smooth_softmax", "qk_output", "k_quant_type", "v_quant_type", "kv_cache_bit_width"];

    // query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache
    private const int KnownInputs = 9;

    public static AttentionCut Of(GraphIndex graph, int layer, OnnxNode node, OnnxValue keys, OnnxValue values)
    {
        Require(node.Input(3) == keys.Name && node.Input(4) == values.Name, "its past is that of two layers");
        foreach (OnnxAttribute attribute in node.Attributes)
            Require(s_known.Contains(attribute.Name), $"the attribute '{attribute.Name}' is not known");
        Require(node.Number("local_window_size", -1) == -1, $"it sees {node.Number("local_window_size", -1)} tokens alone (local_window_size)");
        Require(node.Number("smooth_softmax", 0) <= 0 && node.Number("qk_output", 0) == 0 && node.Number("kv_cache_bit_width", 0) == 0, "it has smooth_softmax, qk_output or codes of its own");
        Require(IsPlain("k_quant_type") && IsPlain("v_quant_type"), "its past is in codes of its own");
        Require(node.Inputs.Skip(KnownInputs).All(input => input.Length == 0), $"it has more than {KnownInputs} inputs: positions, a bias or sinks");
        Require(node.Outputs.Skip(3).All(output => output.Length == 0), "it gives its scores");
        int heads = (int)node.Number("num_heads", 0), keyHeads = (int)node.Number("kv_num_heads", 0);
        Require(heads > 0 && keyHeads > 0 && heads % keyHeads == 0 && keys.Dimensions is { Count: 4 } shape && shape[1] == $"{keyHeads}", $"it has {heads} heads on {keyHeads}, its past [{string.Join(", ", keys.Dimensions ?? [])}]");
        bool turns = node.Number("do_rotary", 0) != 0;
        Require(!turns || (node.Input(7).Length > 0 && node.Input(8).Length > 0), "it turns queries without tables");
        float scale = node.Attribute("scale")?.Single ?? 0, cap = node.Attribute("softcap")?.Single ?? 0;
        return new AttentionCut
        {
            Layer = layer,
            Queries = node.Input(0),
            Keys = node.Input(1),
            Values = node.Input(2),
            Output = node.Output(0),
            OutputType = keys.ElementType,
            HeadsFirst = false,
            QueryHeads = heads,
            Scale = scale == 0 ? null : scale,
            SoftCap = cap,
            Cosines = turns ? node.Input(7) : "",
            Sines = turns ? node.Input(8) : "",
            Interleaved = node.Number("rotary_interleaved", 0) != 0,
        };

        bool IsPlain(string name) => node.Attribute(name)?.Text is null or "" or "NONE";

        void Require(bool fits, string reason)
        {
            if (!fits)
                throw new NotSupportedException($"{node} of layer {layer} cannot be cut: {reason}.");
        }
    }
}
