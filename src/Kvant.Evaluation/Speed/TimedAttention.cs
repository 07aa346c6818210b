using System.Diagnostics;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Speed;

/// <summary>Attention that says how long it took.</summary>
internal sealed class TimedAttention(IAttention inner) : IAttention
{
    private long _ticks;

    /// <summary>What the first layer's attention gave last.</summary>
    public float[] FirstOutputs { get; private set; } = [];

    /// <summary>Nanoseconds since the last call of this method, and forgets them.</summary>
    public double TakeNanoseconds()
    {
        double nanoseconds = _ticks * (1e9 / Stopwatch.Frequency);
        _ticks = 0;
        return nanoseconds;
    }

    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        long begin = Stopwatch.GetTimestamp();
        inner.Attend(layer, queries, keys, values, outputs);
        _ticks += Stopwatch.GetTimestamp() - begin;
        if (layer > 0)
            return;
        if (FirstOutputs.Length != outputs.Length)
            FirstOutputs = new float[outputs.Length];
        outputs.CopyTo(FirstOutputs);
    }
}
