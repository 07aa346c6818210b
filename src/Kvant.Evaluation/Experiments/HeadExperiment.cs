using System.Numerics.Tensors;
using Kvant.Codecs;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>
/// The experiment on one key-value head. Query by query, so that memory grows with the number of tokens and not with its
/// square: the exact row first, then one row of weights per key codec, then one output per pair.
/// </summary>
internal sealed class HeadExperiment(TracePlan plan, ShareMeter meter)
{
    private readonly ITraceSource _source = plan.Source;

    public HeadResult Run(int layer, int head)
    {
        int tokens = _source.Tokens;
        TraceLayerPlan codecs = plan.Layers[layer];
        float[] exactKeys = new float[checked(tokens * _source.KeyDimension)], exactValues = new float[checked(tokens * _source.ValueDimension)];
        _source.ReadKeys(layer, head, exactKeys);
        _source.ReadValues(layer, head, exactValues);
        float[][] queries = [.. Enumerable.Range(0, plan.QueryHeadsPerKvHead).Select(i => Queries(layer, (head * plan.QueryHeadsPerKvHead) + i))];
        (RowsResult[] keyResults, float[][] keys) = Decode(codecs.Keys, exactKeys, Context(queries));
        (RowsResult[] valueResults, float[][] values) = Decode(codecs.Values, exactValues, CalibrationContext.Unknown);
        var result = new HeadResult(keyResults, valueResults, New<AttentionResult>(keys.Length), New<NormalizedError>(codecs.Pairs.Length));
        foreach (float[] ofHead in queries)
            Attend(ofHead, exactKeys, exactValues, keys, values, codecs.Pairs, result);
        return result;
    }

    private float[] Queries(int layer, int head)
    {
        float[] queries = new float[_source.Tokens * _source.KeyDimension];
        _source.ReadQueries(layer, head, queries);
        return queries;
    }

    // As a cache would know it: of the rows that codecs learn from, all but the last have asked by then.
    private CalibrationContext Context(float[][] queries)
    {
        double[] energies = new double[queries.Length == 0 ? 0 : _source.KeyDimension];
        foreach (float[] ofHead in queries)
        {
            for (int i = 0; i < Math.Min(ofHead.Length, 127 * _source.KeyDimension); i++)
                energies[i % _source.KeyDimension] += (double)ofHead[i] * ofHead[i];
        }

        return new() { Rotary = _source.Rotary, QueryEnergies = energies };
    }

    private (RowsResult[] Results, float[][] Rows) Decode(Codec[] codecs, float[] exact, CalibrationContext context)
    {
        var results = new RowsResult[codecs.Length];
        float[][] rows = new float[codecs.Length][];
        for (int i = 0; i < codecs.Length; i++)
        {
            EncodedRows encoded = EncodedRows.Encode(codecs[i], exact, context);
            rows[i] = new float[exact.Length];
            encoded.Decode(rows[i]);
            results[i] = new RowsResult(encoded.Bytes, new NormalizedError());
            results[i].Error.Add(exact, rows[i]);
            meter.Step(1);
        }

        return (results, rows);
    }

    private void Attend(float[] queries, float[] exactKeys, float[] exactValues, float[][] keys, float[][] values, (int Key, int Value)[] pairs, HeadResult result)
    {
        int tokens = _source.Tokens, dimension = _source.KeyDimension;
        var exact = new SoftmaxRow(tokens);
        var decoded = new SoftmaxRow(tokens);
        float[] dots = new float[tokens], exactWeights = new float[tokens];
        float[][] weights = [.. keys.Select(_ => new float[tokens])];
        float[] exactOutput = new float[_source.ValueDimension], output = new float[_source.ValueDimension];
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> query = queries.AsSpan(t * dimension, dimension);
            Weigh(query, exactKeys, dots.AsSpan(0, t + 1), exact, exactWeights);
            Combine(exactWeights.AsSpan(0, t + 1), exactValues, exactOutput);
            for (int k = 0; k < keys.Length; k++)
            {
                Weigh(query, keys[k], dots.AsSpan(0, t + 1), decoded, weights[k]);
                result.Attention[k].Add(exact, decoded);
            }

            for (int p = 0; p < pairs.Length; p++)
            {
                Combine(weights[pairs[p].Key].AsSpan(0, t + 1), values[pairs[p].Value], output);
                result.Outputs[p].Add(exactOutput, output);
            }

            if ((t + 1) % TracePlan.QueriesPerStep == 0 || t + 1 == tokens)
                meter.Step(1);
        }
    }

    private void Weigh(ReadOnlySpan<float> query, float[] keys, Span<float> dots, SoftmaxRow row, float[] weights)
    {
        for (int i = 0; i < dots.Length; i++)
            dots[i] = TensorPrimitives.Dot(query, keys.AsSpan(i * query.Length, query.Length));
        row.Set(dots, _source.SoftmaxScale);
        TensorPrimitives.ConvertTruncating(row.Weights, weights.AsSpan(0, row.Length));
    }

    private static void Combine(ReadOnlySpan<float> weights, float[] values, Span<float> output)
    {
        output.Clear();
        for (int i = 0; i < weights.Length; i++)
            TensorPrimitives.MultiplyAdd(values.AsSpan(i * output.Length, output.Length), weights[i], output, output);
    }

    private static T[] New<T>(int count)
        where T : new()
    {
        var items = new T[count];
        for (int i = 0; i < count; i++)
            items[i] = new T();
        return items;
    }
}
