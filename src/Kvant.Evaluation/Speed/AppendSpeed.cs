using System.Diagnostics;
using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Speed;

/// <summary>How long a cache takes for one token of one layer, for each codec, in turn. A round is a whole sequence, from an empty cache on.</summary>
internal sealed class AppendSpeed : IDisposable
{
    // An append takes a microsecond or two, an interruption a thousand times as long: it must not reach a median.
    private const int FewestRounds = 9;

    // Enough for a median; each keeps a number per append.
    private const int MostRounds = 101;

    // Different tokens; they are appended again and again.
    private const int TokensKept = 256;

    private readonly EncodeSpeed _settings;
    private readonly Contestant[] _contestants;
    private readonly KvCache[] _caches;
    private readonly float[] _keys;
    private readonly float[] _values;
    private readonly int _tokenFloats;

    // Keeps the pages of a round for the next; those of a cache's own pool go back to the system when it is emptied.
    private readonly PagePool _pool = new();

    public AppendSpeed(EncodeSpeed settings, Contestant[] contestants)
    {
        (_settings, _contestants) = (settings, contestants);
        _caches = [.. contestants.Select(c => new KvCache(settings.Options(c.Layers) with { Pool = _pool }))];
        _tokenFloats = settings.KvHeads * settings.Dimension;
        _keys = RandomVectors.Normal(TokensKept, _tokenFloats, seed: 3);
        _values = RandomVectors.Normal(TokensKept, _tokenFloats, seed: 4);
    }

    /// <summary>Measures nanoseconds and bytes.</summary>
    public (double Mean, double Closing, double Slowest, double Allocated)[] Measure(TimeSpan time, Action<double> progress, CancellationToken cancellation)
    {
        // The first round warms the code up, fills the pool and shows which appends close blocks.
        bool[][] closes = [.. _caches.Select(_ => new bool[_settings.Appends])];
        for (int i = 0; i < _caches.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Append(_caches[i], new double[_settings.Appends], closes[i]);
            Check(_contestants[i].Name, _caches[i]);
        }

        List<double[]>[] steps = [.. _caches.Select(_ => new List<double[]>())];
        double[] allocated = new double[_caches.Length];
        long begin = Stopwatch.GetTimestamp();
        for (int round = 0; round < FewestRounds || (round < MostRounds && Stopwatch.GetElapsedTime(begin) < time); round++)
        {
            for (int i = 0; i < _caches.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                _caches[i].Clear();
                double[] times = new double[_settings.Appends];
                long before = GC.GetAllocatedBytesForCurrentThread();
                Append(_caches[i], times);
                allocated[i] = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)_settings.Appends;
                steps[i].Add(times);
            }

            progress(Math.Clamp(Stopwatch.GetElapsedTime(begin) / time, 0, 1));
        }

        return [.. steps.Select((rounds, i) =>
        {
            double[] medians = [.. Enumerable.Range(0, _settings.Appends).Select(step => Rounds.Median(rounds.Select(r => r[step])))];
            double[] closing = [.. medians.Where((_, step) => closes[i][step])];
            return (medians.Average(), closing.Length == 0 ? 0 : Rounds.Median(closing), medians.Max(), allocated[i]);
        })];
    }

    public void Dispose()
    {
        Array.ForEach(_caches, c => c.Dispose());
        _pool.Dispose();
    }

    // With places for it, also says which appends moved rows out of the window.
    private void Append(KvCache cache, double[] times, bool[]? closes = null)
    {
        long inWindow = 0;
        for (int i = 0; i < times.Length; i++)
        {
            int from = i % TokensKept * _tokenFloats;
            long start = Stopwatch.GetTimestamp();
            cache.Append(0, _keys.AsSpan(from, _tokenFloats), _values.AsSpan(from, _tokenFloats));
            times[i] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            if (closes is null)
                continue;
            long now = cache.LayerStatistics(0).WindowRows;
            closes[i] = now <= inWindow && i >= cache.Options.Sinks;
            inWindow = now;
        }
    }

    private void Check(string codec, KvCache cache)
    {
        int floats = Math.Min(TokensKept, cache.Length) * _tokenFloats;
        AttentionAnswers.RequireRows(codec, cache, _keys.AsSpan(0, floats), _values.AsSpan(0, floats));
    }
}
