using Kvant.Models.Decoding;
using Kvant.OnnxRuntime.Graphs;

namespace OnnxExport;

/// <summary>Attention as products and a softmax over the past and what is new, which a Concat puts together; a mask says what is seen. As Optimum exports it.</summary>
internal sealed class PlainGraph : IAttentionGraph
{
    private readonly ModelConfig _config;
    private readonly GraphBuilder _graph;
    private readonly GgufWeights _weights;
    private readonly TurnGraph _turns;
    private readonly string _mask;
    private readonly bool _halfPast;

    public PlainGraph(ModelConfig config, GraphBuilder graph, GgufWeights weights, ExportOptions options)
    {
        (_config, _graph, _weights, _halfPast) = (config, graph, weights, options.HalfPast && !options.Half);
        _turns = new TurnGraph(config, graph);
        _mask = Mask(options.Window);
    }

    public string Attend(string normed, int layer)
    {
        int dimension = _config.HeadDimension, heads = _config.QueryHeads;
        string queries = _turns.Turn(Heads(normed, layer, "attn_q", heads));
        string keys = WithPast(_turns.Turn(Heads(normed, layer, "attn_k", _config.KeyValueHeads)), layer, "key");
        string values = WithPast(Heads(normed, layer, "attn_v", _config.KeyValueHeads), layer, "value");
        string scores = _graph.Add("MatMul", [queries, _graph.Transpose(Repeated(keys), 0, 1, 3, 2)]);
        scores = _graph.Add("Add", [_graph.Add("Div", [scores, _graph.Number(MathF.Sqrt(dimension))]), _mask]);
        string mixed = _graph.Add("MatMul", [_graph.Add("Softmax", [scores], OnnxAttribute.Of("axis", -1)), Repeated(values)]);
        return _graph.Reshape(_graph.Transpose(mixed, 0, 2, 1, 3), 0, 0, heads * dimension);
    }

    private string Heads(string normed, int layer, string name, int heads)
    {
        string full = $"blk.{layer}.{name}", bias = full + ".bias";
        int outputs = heads * _config.HeadDimension;
        bool turned = name != "attn_v";
        string product = _graph.Add("MatMul", [normed, _graph.Weights(full, () => turned ? _weights.TurnedMatrix(full + ".weight") : _weights.Matrix(full + ".weight"), _config.Width, outputs)]);
        if (_weights.Has(bias))
            product = _graph.Add("Add", [product, _graph.Weights(bias, () => turned ? _weights.Halves(_weights.Vector(bias), 1) : _weights.Vector(bias), outputs)]);
        return _graph.Transpose(_graph.Reshape(product, 0, 0, heads, _config.HeadDimension), 0, 2, 1, 3);
    }

    private string WithPast(string rows, int layer, string what)
    {
        string past = $"past_key_values.{layer}.{what}", present = $"present.{layer}.{what}";
        int type = _halfPast ? OnnxTensor.Half : _graph.Type;
        _graph.Inputs.Add(new OnnxValue(past, type, ["batch_size", $"{_config.KeyValueHeads}", "past_sequence_length", $"{_config.HeadDimension}"]));
        _graph.Outputs.Add(new OnnxValue(present, type, ["batch_size", $"{_config.KeyValueHeads}", "total_sequence_length", $"{_config.HeadDimension}"]));
        _graph.Add("Concat", "", [past, _halfPast ? _graph.Cast(rows, type) : rows], [present], OnnxAttribute.Of("axis", -2));
        return _halfPast ? _graph.Cast(present, OnnxTensor.Float) : present;
    }

    // Queries of a group see the same keys.
    private string Repeated(string heads)
    {
        int group = _config.QueryHeads / _config.KeyValueHeads;
        if (group == 1)
            return heads;
        string wide = _graph.Add("Expand", [_graph.Unsqueeze(heads, 2), _graph.Integers(1, 1, group, 1, 1)]);
        return _graph.Reshape(wide, 0, _config.QueryHeads, -1, _config.HeadDimension);
    }

    // 0 where a token is seen, much less where it comes later, is padding, or lies behind the window.
    private string Mask(int window)
    {
        string total = Length("attention_mask"), first = _graph.Add("Sub", [total, Length("input_ids")]);
        string keys = _graph.Add("Range", [_graph.Integer(0), total, _graph.Integer(1)]);
        string queries = _graph.Unsqueeze(_graph.Add("Range", [first, total, _graph.Integer(1)]), 1);
        string hidden = _graph.Add("Greater", [keys, queries]);
        if (window > 0)
            hidden = _graph.Add("Or", [hidden, _graph.Add("Less", [keys, _graph.Add("Sub", [queries, _graph.Integer(window - 1)])])]);
        string padding = _graph.Unsqueeze(_graph.Add("Equal", [_graph.Cast("attention_mask", OnnxTensor.Int64), _graph.Integer(0)]), 1, 2);
        return _graph.Add("Where", [_graph.Add("Or", [hidden, padding]), _graph.Number(_graph.Type == OnnxTensor.Half ? (float)Half.MinValue : float.MinValue), _graph.Number(0)]);

        string Length(string input) => _graph.Add("Gather", [_graph.Add("Shape", [input]), _graph.Integer(1)]);
    }
}
