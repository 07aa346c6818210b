using System.Numerics.Tensors;
using Kvant.Kernels;

namespace Kvant.Attention;

/// <summary>What passes over parts of a sequence found per query: maximum, sum and weighted values, which merge into one result.</summary>
internal sealed class PartialResults(int valueDimension)
{
    private float[] _maxima = [];
    private float[] _sums = [];
    private float[] _values = [];
    private int _splits;

    /// <summary>Makes room.</summary>
    /// <param name="queries">Queries of the step.</param>
    /// <param name="splits">Parts per query.</param>
    public void Resize(int queries, int splits)
    {
        _splits = splits;
        if (_maxima.Length >= queries * splits)
            return;
        (_maxima, _sums, _values) = (new float[queries * splits], new float[queries * splits], new float[queries * splits * valueDimension]);
    }

    /// <summary>Keeps the result of a pass for a query.</summary>
    public void Store(int query, int split, (float Maximum, float Sum, ReadOnlyMemory<float> Values) result)
    {
        int at = (query * _splits) + split;
        (_maxima[at], _sums[at]) = (result.Maximum, result.Sum);
        result.Values.Span.CopyTo(_values.AsSpan(at * valueDimension));
    }

    /// <summary>Merges the parts of each query.</summary>
    /// <param name="queries">Queries of the step.</param>
    /// <param name="splits">Parts per query.</param>
    /// <param name="outputs">Receives [query, value dimension].</param>
    /// <param name="logSumExp">Receives a number per query, or is empty.</param>
    public void Merge(int queries, int splits, Span<float> outputs, Span<float> logSumExp)
    {
        for (int q = 0; q < queries; q++)
        {
            ReadOnlySpan<float> maxima = _maxima.AsSpan(q * splits, splits);
            float maximum = TensorPrimitives.Max(maxima), sum = 0;
            Span<float> output = outputs.Slice(q * valueDimension, valueDimension);
            output.Clear();
            if (!logSumExp.IsEmpty)
                logSumExp[q] = float.NegativeInfinity;
            if (float.IsNegativeInfinity(maximum))
                continue;
            for (int s = 0; s < splits; s++)
            {
                float factor = MathF.Pow(2, maxima[s] - maximum);
                sum += factor * _sums[(q * splits) + s];
                TensorPrimitives.MultiplyAdd(_values.AsSpan(((q * splits) + s) * valueDimension, valueDimension), factor, output, output);
            }

            TensorPrimitives.Divide(output, sum, output);
            if (!logSumExp.IsEmpty)
                logSumExp[q] = (maximum / Softmax.Log2E) + MathF.Log(sum);
        }
    }
}
