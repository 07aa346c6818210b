using System.Numerics.Tensors;
using Kvant.Models.Decoding;

namespace Kvant.Models.Tests.Decoding;

/// <summary>Attention in single precision over keys and values as they came, which are never forgotten: what a cache is compared with.</summary>
internal sealed class ExactAttention : IAttention
{
    private readonly int _queryHeads;
    private readonly int _heads;
    private readonly int _dimension;
    private readonly float[][] _keys;
    private readonly float[][] _values;
    private readonly int[] _tokens;
    private readonly float[] _scores;
    private readonly int[] _windows;

    public ExactAttention(ModelConfig config, int capacity)
    {
        (_queryHeads, _heads, _dimension) = (config.QueryHeads, config.KeyValueHeads, config.HeadDimension);
        _keys = [.. Enumerable.Range(0, config.Layers).Select(_ => new float[capacity * _heads * _dimension])];
        _values = [.. Enumerable.Range(0, config.Layers).Select(_ => new float[capacity * _heads * _dimension])];
        _tokens = new int[config.Layers];
        _scores = new float[capacity];
        _windows = [.. Enumerable.Range(0, config.Layers).Select(config.WindowOf)];
    }

    public int Length => _tokens.Min();

    public long Changes => _tokens.Sum();

    public void Require(LanguageModel model)
    {
    }

    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        Append(layer, keys, values);
        int count = queries.Length / _queryHeads / _dimension;
        for (int i = 0; i < count * _queryHeads; i++)
        {
            int end = _tokens[layer] - count + (i / _queryHeads) + 1, first = _windows[layer] == 0 ? 0 : Math.Max(0, end - _windows[layer]), visible = end - first, head = i % _queryHeads / (_queryHeads / _heads);
            ReadOnlySpan<float> query = queries.Slice(i * _dimension, _dimension);
            Span<float> output = outputs.Slice(i * _dimension, _dimension), scores = _scores.AsSpan(0, visible);
            for (int token = 0; token < visible; token++)
                scores[token] = TensorPrimitives.Dot(query, Row(_keys[layer], first + token, head)) / MathF.Sqrt(_dimension);
            // SoftMax of the runtime does not subtract the maximum by itself.
            TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
            TensorPrimitives.SoftMax(scores, scores);
            output.Clear();
            for (int token = 0; token < visible; token++)
                TensorPrimitives.MultiplyAdd(Row(_values[layer], first + token, head), scores[token], output, output);
        }
    }

    public void Clear() => Array.Clear(_tokens);

    private void Append(int layer, ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        int start = _tokens[layer] * _heads * _dimension;
        keys.CopyTo(_keys[layer].AsSpan(start));
        values.CopyTo(_values[layer].AsSpan(start));
        _tokens[layer] += keys.Length / _heads / _dimension;
    }

    private ReadOnlySpan<float> Row(float[] rows, int token, int head) => rows.AsSpan(((token * _heads) + head) * _dimension, _dimension);
}
