using Kvant.Caching;
using Kvant.Numerics;
using Kvant.OnnxRuntime.Graphs;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>
/// Finds out what a graph's own operations do between queries and what attention gives, by running that piece of the graph alone: with what factor it scales, and that on random rows it is softmax attention
/// over everything before a token, at several lengths of the past up to a long one. Masks with windows, biases and other rules show there, however they are written.
/// </summary>
internal sealed class PlainCheck : IDisposable
{
    // Windows of models in use are shorter.
    private const int LongPast = 10_000;
    private const int ShortestLongPast = 512;

    private readonly AttentionCut _cut;
    private readonly int _heads;
    private readonly int _keyHeads;
    private readonly int _keyDimension;
    private readonly int _valueDimension;
    private readonly bool _half;
    private readonly OnnxModel _piece;
    private readonly InferenceSession _session;
    private readonly SeededRandom _random = new(1);

    public PlainCheck(OnnxModel model, AttentionCut cut, LayerGeometry shape)
    {
        int type = model.Inputs.First(input => PastLayout.Parse(input.Name, "past") is not null).ElementType;
        (_cut, _half) = (cut, type == OnnxTensor.Half);
        (_heads, _keyHeads, _keyDimension, _valueDimension) = (shape.QueryHeads, shape.KvHeads, shape.KeyDimension, shape.ValueDimension);
        IReadOnlyList<OnnxNode> nodes = PlainCut.Piece(new GraphIndex(model), cut);
        HashSet<string> used = [.. nodes.SelectMany(node => node.Inputs)];
        OnnxValue[] rows = [.. new[] { cut.Queries, cut.Keys, cut.Values }.Select(name => new OnnxValue(name, name == cut.Queries ? cut.QueryType : type, ["b", "h", "t", "n"]))];
        _piece = model.With(nodes, [.. rows, .. model.Inputs.Where(input => used.Contains(input.Name))], [new OnnxValue(cut.Output, cut.OutputType, null)]);
        using var settings = new SessionOptions { IntraOpNumThreads = 1 };
        _session = new InferenceSession(_piece.Write(), settings);
    }

    /// <summary>Checks the piece.</summary>
    /// <returns>The cut with its scale.</returns>
    /// <exception cref="NotSupportedException">It is something else than causal softmax attention.</exception>
    public AttentionCut Run()
    {
        float scale = Scale();
        foreach ((int past, int tokens) in new[] { (0, 5), (7, 1), (6, 3) })
            Require(past, tokens, scale);
        // A table in the graph may end before; where it does is not known.
        for (int past = LongPast; ; past /= 2)
        {
            try
            {
                Require(past, 1, scale);
                break;
            }
            catch (OnnxRuntimeException) when (past / 2 >= ShortestLongPast)
            {
                // Half as long.
            }
        }

        float usual = 1 / MathF.Sqrt(_keyDimension);
        return _cut with { Scale = MathF.Abs(scale - usual) < 1e-3f * usual ? null : scale };
    }

    public void Dispose() => _session.Dispose();

    // Two keys, one of them nothing: the share of the other tells the factor of its score.
    private float Scale()
    {
        const float Length = 4;
        float[] queries = new float[_heads * _keyDimension], past = new float[_keyHeads * _keyDimension], keys = new float[past.Length], pastValues = new float[_keyHeads * _valueDimension], values = new float[pastValues.Length];
        for (int head = 0; head < _heads; head++)
            queries[head * _keyDimension] = Length;
        for (int head = 0; head < _keyHeads; head++)
            (keys[head * _keyDimension], values[head * _valueDimension]) = (1, 1);
        double share = Attend(queries, keys, values, past, pastValues, 1, 1)[0];
        double scale = share is > 0 and < 1 ? Math.Log(share / (1 - share)) / Length : 0;
        return scale > 0 ? (float)scale : throw Refused($"a key that is like the query gets the share {share} beside one that is nothing");
    }

    private void Require(int past, int tokens, float scale)
    {
        float[] queries = Random(_heads * tokens * _keyDimension), keys = Random(_keyHeads * tokens * _keyDimension), values = Random(_keyHeads * tokens * _valueDimension);
        float[] pastKeys = Random(_keyHeads * past * _keyDimension), pastValues = Random(_keyHeads * past * _valueDimension);
        float[] found = Attend(queries, keys, values, pastKeys, pastValues, past, tokens);
        double[] weights = new double[past + tokens];
        for (int row = 0; row < _heads * tokens; row++)
        {
            int head = row / tokens, token = row % tokens, group = head / (_heads / _keyHeads);
            double sum = 0;
            for (int key = 0; key <= past + token; key++)
            {
                double score = 0;
                ReadOnlySpan<float> of = Row(pastKeys, keys, group, key, _keyDimension);
                for (int i = 0; i < _keyDimension; i++)
                    score += queries[(row * _keyDimension) + i] * (double)of[i];
                sum += weights[key] = Math.Exp(score * scale);
            }

            for (int i = 0; i < _valueDimension; i++)
            {
                double wanted = 0;
                for (int key = 0; key <= past + token; key++)
                    wanted += weights[key] / sum * Row(pastValues, values, group, key, _valueDimension)[i];
                if (!(Math.Abs(wanted - found[(row * _valueDimension) + i]) <= (_half ? 2e-2 : 1e-4)))
                    throw Refused($"behind {past} tokens, token {token} of {tokens} gets {found[(row * _valueDimension) + i]} where softmax attention over all before it gives {wanted:G6}: a window, a bias or another rule");
            }
        }

        ReadOnlySpan<float> Row(float[] before, float[] now, int head, int key, int dimension) => key < past
            ? before.AsSpan(((head * past) + key) * dimension, dimension)
            : now.AsSpan(((head * tokens) + key - past) * dimension, dimension);
    }

    private float[] Random(int count)
    {
        float[] numbers = new float[count];
        foreach (ref float number in numbers.AsSpan())
            number = (float)(2 * _random.NextDouble()) - 1;
        return numbers;
    }

    private float[] Attend(float[] queries, float[] keys, float[] values, float[] pastKeys, float[] pastValues, int past, int tokens)
    {
        List<string> names = [];
        List<OrtValue> inputs = [];
        try
        {
            foreach (OnnxValue input in _piece.Inputs)
            {
                names.Add(input.Name);
                inputs.Add(Value(input));
            }

            using var settings = new RunOptions();
            using IDisposableReadOnlyCollection<OrtValue> outputs = _session.Run(settings, names, inputs, [_cut.Output]);
            return OrtFloats.Read(outputs[0]);
        }
        finally
        {
            foreach (OrtValue input in inputs)
                input.Dispose();
        }

        OrtValue Value(OnnxValue input)
        {
            long[] integers = new long[input.Name == "attention_mask" ? past + tokens : tokens];
            if (input.Name == _cut.Queries)
                return OrtFloats.Of(queries, _cut.QueryType == OnnxTensor.Half, 1, _heads, tokens, _keyDimension);
            if (input.Name == _cut.Keys)
                return OrtFloats.Of(keys, _half, 1, _keyHeads, tokens, _keyDimension);
            if (input.Name == _cut.Values)
                return OrtFloats.Of(values, _half, 1, _keyHeads, tokens, _valueDimension);
            if (PastLayout.Parse(input.Name, "past") is { } place)
            {
                int dimension = place.Value ? _valueDimension : _keyDimension;
                float[] rows = place.Layer == _cut.Layer ? place.Value ? pastValues : pastKeys : new float[_keyHeads * past * dimension];
                return OrtFloats.Of(rows, _half, 1, _keyHeads, past, dimension);
            }

            for (int i = 0; i < integers.Length; i++)
                integers[i] = input.Name == "attention_mask" ? 1 : input.Name == "position_ids" ? past + i : 0;
            return input.ElementType switch
            {
                OnnxTensor.Int64 => OrtValue.CreateTensorValueFromMemory(integers, [1, integers.Length]),
                OnnxTensor.Int32 => OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(integers, number => (int)number), [1, integers.Length]),
                _ => throw Refused($"it needs the input '{input.Name}'"),
            };
        }
    }

    private NotSupportedException Refused(string reason) => new($"The attention of layer {_cut.Layer} cannot be cut: {reason}.");
}
