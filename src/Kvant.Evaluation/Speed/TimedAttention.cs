using System.Diagnostics;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Speed;

/// <summary>Attention that says how long it took.</summary>
internal sealed class TimedAttention(IAttention inner) : IAttention
{
    private long _ticks;

    /// <summary>What the first layer's attention was asked last.</summary>
    public float[] FirstQueries { get; private set; } = [];

    /// <summary>What it gave.</summary>
    public float[] FirstOutputs { get; private set; } = [];

    /// <summary>Nanoseconds since the last call of this method, and forgets them.</summary>
    public double TakeNanoseconds()
    {
        double nanoseconds = _ticks * (1e9 / Stopwatch.Frequency);
        _ticks = 0;
        return nanoseconds;
    }

    public int Length => inner.Length;

    public long Changes => inner.Changes;

    public void Require(LanguageModel model) => inner.Require(model);

    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        long begin = Stopwatch.GetTimestamp();
        inner.Attend(layer, queries, keys, values, outputs);
        _ticks += Stopwatch.GetTimestamp() - begin;
        if (layer > 0)
            return;
        (FirstQueries, FirstOutputs) = (Keep(queries, FirstQueries), Keep(outputs, FirstOutputs));
    }

    private static float[] Keep(ReadOnlySpan<float> numbers, float[] kept)
    {
        if (kept.Length != numbers.Length)
            kept = new float[numbers.Length];
        numbers.CopyTo(kept);
        return kept;
    }
}
