using Kvant.Models.Decoding;

namespace OnnxExport;

/// <summary>The rotation of queries and keys by their positions, as operations of a graph, halves of heads apart.</summary>
internal sealed class TurnGraph
{
    private readonly ModelConfig _config;
    private readonly GraphBuilder _graph;
    private readonly string _cosines;
    private readonly string _sines;

    /// <summary>Writes down the tables of a run.</summary>
    public TurnGraph(ModelConfig config, GraphBuilder graph)
    {
        (_config, _graph) = (config, graph);
        int half = config.HeadDimension / 2;
        float[] speeds = [.. Enumerable.Range(0, half).Select(i => (float)(Math.Pow(config.RopeBase, -2.0 * i / config.HeadDimension) / config.RopeDivisor))];
        string positions = graph.Unsqueeze(graph.Cast("position_ids", Kvant.OnnxRuntime.Graphs.OnnxTensor.Float), 2);
        string angles = graph.Add("Mul", [positions, graph.Singles("inv_freq", speeds, 1, 1, half)]);
        string both = graph.Concat(-1, angles, angles);
        (_cosines, _sines) = (Of("Cos"), Of("Sin"));

        string Of(string operation) => graph.Unsqueeze(graph.Cast(graph.Add(operation, [both]), graph.Type), 1);
    }

    /// <summary>Turns [batch, head, token, number].</summary>
    public string Turn(string heads)
    {
        int half = _config.HeadDimension / 2;
        string turned = _graph.Concat(-1, _graph.Add("Neg", [_graph.Slice(heads, half, long.MaxValue, 3)]), _graph.Slice(heads, 0, half, 3));
        return _graph.Add("Add", [_graph.Add("Mul", [heads, _cosines]), _graph.Add("Mul", [turned, _sines])]);
    }
}
