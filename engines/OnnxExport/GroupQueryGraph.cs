using Kvant.Models.Decoding;
using Kvant.OnnxRuntime.Graphs;

namespace OnnxExport;

/// <summary>Attention as one operation, GroupQueryAttention, which turns queries and keys itself. As the builder of ONNX Runtime GenAI exports it.</summary>
internal sealed class GroupQueryGraph : IAttentionGraph
{
    private readonly ModelConfig _config;
    private readonly GraphBuilder _graph;
    private readonly GgufWeights _weights;
    private readonly ExportOptions _options;
    private readonly string _lengths;
    private readonly string _total;
    private readonly TurnGraph? _turns;

    public GroupQueryGraph(ModelConfig config, GraphBuilder graph, GgufWeights weights, ExportOptions options)
    {
        (_config, _graph, _weights, _options) = (config, graph, weights, options);
        _turns = Rounds ? new TurnGraph(config, graph) : null;
        string count = graph.Add("ReduceSum", [graph.Cast("attention_mask", OnnxTensor.Int64), graph.Integers(1)], OnnxAttribute.Of("keepdims", 1));
        _lengths = graph.Cast(graph.Add("Sub", [count, graph.Integers(1)]), 6);
        _total = graph.Cast(graph.Add("Gather", [graph.Add("Shape", ["attention_mask"]), graph.Integer(1)]), 6);
    }

    // Keys are rounded behind their rotation, which the graph's own operations do then.
    private bool Rounds => _options.HalfPast && !_options.Half;

    private int QueryWidth => _config.QueryHeads * _config.HeadDimension;

    private int KeyWidth => _config.KeyValueHeads * _config.HeadDimension;

    public string Attend(string normed, int layer)
    {
        string prefix = $"blk.{layer}.", past = $"past_key_values.{layer}.", present = $"present.{layer}.";
        string[] rows = _options.Packed
            ? [_graph.Add("MatMul", [normed, _graph.Weights(prefix + "qkv", () => Packed(prefix), _config.Width, QueryWidth + (2 * KeyWidth))]), "", ""]
            : [Rows("attn_q", QueryWidth, true), Rows("attn_k", KeyWidth, true), Rows("attn_v", KeyWidth, false)];
        if (_turns is not null)
            rows = [Turned(rows[0], _config.QueryHeads), Rounded(Turned(rows[1], _config.KeyValueHeads)), Rounded(rows[2])];
        foreach (string what in new[] { "key", "value" })
        {
            _graph.Inputs.Add(new OnnxValue(past + what, _graph.Type, ["batch_size", $"{_config.KeyValueHeads}", "past_sequence_length", $"{_config.HeadDimension}"]));
            _graph.Outputs.Add(new OnnxValue(present + what, _graph.Type, ["batch_size", $"{_config.KeyValueHeads}", "total_sequence_length", $"{_config.HeadDimension}"]));
        }

        return _graph.Add(
            "GroupQueryAttention", OnnxModel.RuntimeDomain, [.. rows, past + "key", past + "value", _lengths, _total, .. _turns is null ? (string[])[Turns("cos_cache", Math.Cos), Turns("sin_cache", Math.Sin)] : []],
            [$"attention.{layer}", present + "key", present + "value"], OnnxAttribute.Of("num_heads", _config.QueryHeads), OnnxAttribute.Of("kv_num_heads", _config.KeyValueHeads),
            OnnxAttribute.Of("do_rotary", _turns is null ? 1 : 0), OnnxAttribute.Of("local_window_size", _options.Window > 0 ? _options.Window : -1));

        string Turned(string rows, int heads)
        {
            string turned = _turns.Turn(_graph.Transpose(_graph.Reshape(rows, 0, 0, heads, _config.HeadDimension), 0, 2, 1, 3));
            return _graph.Reshape(_graph.Transpose(turned, 0, 2, 1, 3), 0, 0, heads * _config.HeadDimension);
        }

        string Rounded(string rows) => _graph.Cast(_graph.Cast(rows, OnnxTensor.Half), OnnxTensor.Float);

        string Rows(string name, int outputs, bool turned) => _graph.Add("MatMul", [normed, _graph.Weights(prefix + name, () => Matrix(prefix + name, turned), _config.Width, outputs)]);
    }

    private float[] Matrix(string name, bool turned) => _weights.Has(name + ".bias") ? throw new NotSupportedException($"{name} has a bias.")
        : turned ? _weights.TurnedMatrix(name + ".weight") : _weights.Matrix(name + ".weight");

    // The outputs of three matrices beside each other.
    private float[] Packed(string prefix)
    {
        (float[] Numbers, int Outputs)[] parts = [(Matrix(prefix + "attn_q", true), QueryWidth), (Matrix(prefix + "attn_k", true), KeyWidth), (Matrix(prefix + "attn_v", false), KeyWidth)];
        float[] packed = new float[_config.Width * (QueryWidth + (2 * KeyWidth))];
        int next = 0;
        for (int input = 0; input < _config.Width; input++)
        {
            foreach ((float[] numbers, int outputs) in parts)
            {
                numbers.AsSpan(input * outputs, outputs).CopyTo(packed.AsSpan(next));
                next += outputs;
            }
        }

        return packed;
    }

    private string Turns(string name, Func<double, double> function)
    {
        int half = _config.HeadDimension / 2;
        return _graph.Weights(name, Numbers, _config.ContextLength, half);

        float[] Numbers()
        {
            float[] numbers = new float[_config.ContextLength * half];
            for (int i = 0; i < numbers.Length; i++)
                numbers[i] = (float)function(i / half * Math.Pow(_config.RopeBase, -2.0 * (i % half) / _config.HeadDimension) / _config.RopeDivisor);
            return numbers;
        }
    }
}
