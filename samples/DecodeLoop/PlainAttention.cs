using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Models.Decoding;

/// <summary>Attention as a textbook has it, over floats as they came: nothing of a cache is in it, so it says what caches should give.</summary>
internal sealed class PlainAttention(CacheGeometry shape) : IAttention
{
    private readonly List<float>[] _keys = [.. Enumerable.Range(0, shape.Layers).Select(_ => new List<float>())];
    private readonly List<float>[] _values = [.. Enumerable.Range(0, shape.Layers).Select(_ => new List<float>())];

    public int Length => _keys[^1].Count / (shape.KvHeads * shape.KeyDimension);

    public long Changes => Length;

    public void Require(LanguageModel model)
    {
    }

    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        _keys[layer].AddRange(keys);
        _values[layer].AddRange(values);
        int dimension = shape.KeyDimension, width = shape.KvHeads * dimension, rows = queries.Length / dimension;
        int before = (_keys[layer].Count / width) - (rows / shape.QueryHeads);
        for (int row = 0; row < rows; row++)
        {
            // A token sees those before it and itself; query heads of one group share a head.
            int head = row % shape.QueryHeads / shape.GroupSize;
            float[] weights = new float[before + (row / shape.QueryHeads) + 1];
            for (int token = 0; token < weights.Length; token++)
                weights[token] = TensorPrimitives.Dot(queries.Slice(row * dimension, dimension), Row(_keys[layer], token, head)) / MathF.Sqrt(dimension);
            TensorPrimitives.Subtract(weights, TensorPrimitives.Max<float>(weights), weights);
            TensorPrimitives.SoftMax<float>(weights, weights);
            Span<float> output = outputs.Slice(row * dimension, dimension);
            output.Clear();
            for (int token = 0; token < weights.Length; token++)
                TensorPrimitives.MultiplyAdd(Row(_values[layer], token, head), weights[token], output, output);
        }

        ReadOnlySpan<float> Row(List<float> all, int token, int head) => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(all).Slice((token * width) + (head * dimension), dimension);
    }
}
