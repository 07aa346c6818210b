using System.Numerics.Tensors;
using Kvant.Kernels;

namespace Kvant.Attention;

/// <summary>What passes over parts of a sequence found per query: maximum, sum and weighted values, which merge into one result.</summary>
internal sealed class PartialResults
{
    private float[] _maxima = [];
    private float[] _sums = [];
    private float[] _values = [];
    private int _splits;
    private int _dimension;

    /// <summary>Makes room; nothing is found yet.</summary>
    /// <param name="queries">Queries of the step.</param>
    /// <param name="splits">The most parts of a query.</param>
    /// <param name="dimension">Numbers of a value.</param>
    public void Resize(int queries, int splits, int dimension)
    {
        (_splits, _dimension) = (splits, dimension);
        int parts = queries * splits;
        if (_maxima.Length < parts)
            (_maxima, _sums) = (new float[parts], new float[parts]);
        if (_values.Length < parts * dimension)
            _values = new float[parts * dimension];
        _maxima.AsSpan(0, parts).Fill(float.NegativeInfinity);
    }

    /// <summary>Keeps the result of a pass for a query.</summary>
    public void Store(int query, int split, (float Maximum, float Sum, ReadOnlyMemory<float> Values) result)
    {
        int at = (query * _splits) + split;
        (_maxima[at], _sums[at]) = (result.Maximum, result.Sum);
        result.Values.Span.CopyTo(_values.AsSpan(at * _dimension));
    }

    /// <summary>Merges the parts of each query.</summary>
    /// <param name="queries">Queries of the step.</param>
    /// <param name="sinkLogits">Per query head, a logit without a value that takes part; null for none.</param>
    /// <param name="outputs">Receives [query, value dimension].</param>
    /// <param name="logSumExp">Receives a number per query, or is empty.</param>
    public void Merge(int queries, IReadOnlyList<float>? sinkLogits, Span<float> outputs, Span<float> logSumExp)
    {
        for (int q = 0; q < queries; q++)
        {
            ReadOnlySpan<float> maxima = _maxima.AsSpan(q * _splits, _splits);
            float sink = sinkLogits is null ? float.NegativeInfinity : sinkLogits[q % sinkLogits.Count] * Softmax.Log2E;
            float maximum = MathF.Max(TensorPrimitives.Max(maxima), sink);
            Span<float> output = outputs.Slice(q * _dimension, _dimension);
            output.Clear();
            if (!logSumExp.IsEmpty)
                logSumExp[q] = float.NegativeInfinity;
            if (float.IsNegativeInfinity(maximum))
                continue;
            float sum = sinkLogits is null ? 0 : MathF.Pow(2, sink - maximum);
            for (int s = 0; s < _splits; s++)
            {
                if (float.IsNegativeInfinity(maxima[s]))
                    continue;
                float factor = MathF.Pow(2, maxima[s] - maximum);
                sum += factor * _sums[(q * _splits) + s];
                TensorPrimitives.MultiplyAdd(_values.AsSpan(((q * _splits) + s) * _dimension, _dimension), factor, output, output);
            }

            TensorPrimitives.Divide(output, sum, output);
            if (!logSumExp.IsEmpty)
                logSumExp[q] = (maximum / Softmax.Log2E) + MathF.Log(sum);
        }
    }
}
