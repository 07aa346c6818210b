using Kvant.Models.Decoding;
using Kvant.OnnxRuntime.Graphs;

namespace OnnxExport;

/// <summary>
/// Writes a llama from a GGUF file as an ONNX graph with a past, with the inputs and outputs that Optimum and the builder of ONNX Runtime GenAI give: input_ids, attention_mask,
/// position_ids, past_key_values.N.key and .value; logits, present.N.key and .value.
/// </summary>
public sealed class Exporter
{
    private readonly LanguageModel _model;
    private readonly GgufWeights _weights;
    private readonly ExportOptions _options;
    private readonly GraphBuilder _graph;
    private readonly IAttentionGraph _attention;

    private Exporter(LanguageModel model, ExportOptions options, GraphBuilder graph)
    {
        (_model, _options, _graph) = (model, options, graph);
        _weights = new GgufWeights(model);
        // GroupQueryAttention counts positions itself, where it turns queries and keys.
        foreach (string name in (string[])["input_ids", "attention_mask", .. options.GroupQuery && !options.HalfPast ? Array.Empty<string>() : ["position_ids"]])
            graph.Inputs.Add(new OnnxValue(name, options.ShortNumbers ? OnnxTensor.Int32 : OnnxTensor.Int64, ["batch_size", name == "attention_mask" ? "total_sequence_length" : "sequence_length"]));
        _attention = options.GroupQuery ? new GroupQueryGraph(model.Config, graph, _weights, options) : new PlainGraph(model.Config, graph, _weights, options);
    }

    /// <summary>Writes a model.</summary>
    /// <param name="gguf">A llama, whose weights are written in full.</param>
    /// <param name="path">The file to write; with <see cref="ExportOptions.DataFile"/> another one, <c>.data</c> behind its name, holds the weights.</param>
    /// <param name="options">How.</param>
    /// <exception cref="NotSupportedException">The model is no llama as this exporter knows them.</exception>
    public static void Export(string gguf, string path, ExportOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        using LanguageModel model = LanguageModel.Open(gguf);
        if (model.Config.Architecture != "llama" || model.File.TryGetTensor("rope_freqs.weight", out _))
            throw new NotSupportedException($"{gguf}: only models of the architecture llama without factors of their rotation can be exported.");
        string? dataFile = options.DataFile ? Path.GetFileName(path) + ".data" : null;
        using FileStream? data = dataFile is null ? null : File.Create(path + ".data");
        var graph = new GraphBuilder(options.Half, data, dataFile);
        new Exporter(model, options, graph).Build();
        OnnxModel written = options.Merged ? Merging.Of(graph.Model()) : graph.Model();
        File.WriteAllBytes(path, written.Write());
    }

    private void Build()
    {
        ModelConfig config = _model.Config;
        string embedding = _graph.Weights("token_embd", () => _weights.Table("token_embd.weight"), _model.VocabularySize, config.Width);
        string states = _graph.Add("Gather", [embedding, "input_ids"]);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            string attended = _attention.Attend(Norm(states, prefix + "attn_norm"), layer);
            states = _graph.Add("Add", [states, Product(attended, prefix + "attn_output")]);
            string normed = Norm(states, prefix + "ffn_norm"), gate = Product(normed, prefix + "ffn_gate");
            string gated = _graph.Add("Mul", [_graph.Add("Mul", [gate, _graph.Add("Sigmoid", [gate])]), Product(normed, prefix + "ffn_up")]);
            states = _graph.Add("Add", [states, Product(gated, prefix + "ffn_down")]);
        }

        // Tokens are said with the matrix that reads them, where there is no other.
        string output = !_weights.Has("output.weight") ? embedding : _graph.Weights("output", () => _weights.Table("output.weight"), _model.VocabularySize, config.Width);
        string rows = _graph.Add("Gemm", [_graph.Reshape(Norm(states, "output_norm"), -1, config.Width), output], OnnxAttribute.Of("transB", 1));
        string shape = _graph.Concat(0, _graph.Add("Shape", ["input_ids"]), _graph.Integers(_model.VocabularySize));
        _graph.Add("Reshape", "", [rows, shape], ["logits"]);
        _graph.Outputs.Insert(0, new OnnxValue("logits", _graph.Type, ["batch_size", "sequence_length", $"{_model.VocabularySize}"]));
    }

    private string Product(string value, string name)
    {
        Kvant.Models.Gguf.GgufTensor tensor = _model.File.Tensor(name + ".weight");
        return _graph.Add("MatMul", [value, _graph.Weights(name, () => _weights.Matrix(name + ".weight"), tensor.Shape[0], tensor.Shape[1])]);
    }

    // The mean of squares in single precision, as these models have it.
    private string Norm(string value, string name)
    {
        string full = _options.Half ? _graph.Cast(value, OnnxTensor.Float) : value;
        string mean = _graph.Add("ReduceMean", [_graph.Add("Pow", [full, _graph.Single(2)])], OnnxAttribute.Of("axes", [-1]), OnnxAttribute.Of("keepdims", 1));
        string normed = _graph.Add("Div", [full, _graph.Add("Sqrt", [_graph.Add("Add", [mean, _graph.Single(_model.Config.Epsilon)])])]);
        return _graph.Add("Mul", [_options.Half ? _graph.Cast(normed, _graph.Type) : normed, _graph.Weights(name, () => _weights.Vector(name + ".weight"), _model.Config.Width)]);
    }
}
