using Kvant.Attention;
using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Formats;

namespace Kvant.Evaluation.Speed;

/// <summary>One interleaved comparison: some codecs and the baseline at one number of tokens.</summary>
internal sealed class AttentionSpeedRun(
    AttentionSpeed settings, PlainRows rows, float[] queries, PlainAttention plain, IAttentionSteps attention, AttentionAnswers answers, WorkerTeam team)
{
    // Building caches and checking answers, as a share of a run; a guess for the progress alone.
    private const double BuildingShare = 0.3;

    private readonly float[] _outputs = new float[settings.KvHeads * settings.Group * settings.Dimension];

    /// <summary>Measures the baseline and then the codecs.</summary>
    public IReadOnlyList<AttentionSpeedResult> Measure(IReadOnlyList<Contestant> contestants, Action<double> progress, CancellationToken cancellation)
    {
        var owned = new List<IDisposable>();
        try
        {
            PlainRows[] plainLayers = Layers(rows, rows.Bytes, rows.Copy);
            List<Contender> contenders = [new(layer => plain.Decode(plainLayers[layer], queries, _outputs), plainLayers.Length)];
            List<(string Name, long Bytes, double Error)> found = [(AttentionSpeed.Baseline, rows.Bytes, 0)];
            foreach (Contestant contestant in contestants)
            {
                cancellation.ThrowIfCancellationRequested();
                var first = new KvCache(settings.Options(contestant.Layers));
                owned.Add(first);
                rows.AppendTo(first);
                found.Add((contestant.Name, BareRead.Bytes(first), answers.Check(contestant.Name, first, attention)));
                KvCache[] layers = Layers(first, first.Statistics.TotalBytes, Copies(first));
                contenders.Add(new(layer => attention.Decode(layers[layer], queries, _outputs), layers.Length));
                progress(BuildingShare * (found.Count - 1) / contestants.Count);
            }

            long most = found.Max(f => f.Bytes);
            var read = new BareRead(settings.Cold ? Math.Max(settings.ColdBytes, 2 * most) : most, settings.Cold, team);
            owned.Add(read);
            contenders.AddRange(found.Select(f => new Contender(_ => read.Read(f.Bytes))));
            double[] medians = new Rounds
            {
                Time = settings.Time * Math.Max(1, contestants.Count),
                Progress = share => progress(BuildingShare + ((1 - BuildingShare) * share)),
                Cancellation = cancellation,
            }.Medians(contenders);
            return [.. found.Select((f, i) => Result(f.Name, f.Bytes, f.Error, medians[i], medians[found.Count + i], medians[0]))];
        }
        finally
        {
            attention.Forget();
            owned.ForEach(o => o.Dispose());
        }

        // What is first, and as many copies as a cold walk wants.
        T[] Layers<T>(T first, long bytes, Func<T> copy)
            where T : IDisposable
        {
            var layers = new T[settings.Places(bytes)];
            layers[0] = first;
            for (int i = 1; i < layers.Length; i++)
                owned.Add(layers[i] = copy());
            return layers;
        }
    }

    // Slow encoders should not matter: all but the first cache are thawed from its bytes.
    private static Func<KvCache> Copies(KvCache first)
    {
        byte[]? bytes = null;
        return () => KvCache.Thaw(bytes ??= first.Freeze());
    }

    private AttentionSpeedResult Result(string codec, long bytes, double error, double time, double readTime, double plainTime) => new()
    {
        Codec = codec,
        Tokens = rows.Tokens,
        Threads = settings.Threads,
        Cold = settings.Cold,
        NsPerTokenHead = time / ((double)rows.Tokens * settings.KvHeads),
        CompressedGBps = bytes / time,
        RatioToFp32 = plainTime / time,
        RatioToRead = readTime / time,
        OutputError = error,
    };
}
