using Kvant.Attention;
using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Formats;

namespace Kvant.Evaluation.Speed;

/// <summary>One interleaved comparison: some codecs and the baseline at one number of tokens.</summary>
internal sealed class AttentionSpeedRun(
    AttentionSpeed settings, PlainRows rows, float[] queries, PlainAttention plain, BareRead read, CacheAttention attention, AttentionAnswers answers)
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
            List<Contender> contenders =
            [
                Step(layer => plain.Decode(plainLayers[layer], queries, _outputs), plainLayers.Length),
                Reading(layer => read.Read(plainLayers[layer]), plainLayers.Length),
            ];
            List<(string Name, long Bytes, double Error)> found = [(AttentionSpeed.Baseline, rows.Bytes, 0)];
            foreach (Contestant contestant in contestants)
            {
                cancellation.ThrowIfCancellationRequested();
                var first = new KvCache(settings.Options(contestant.Layers));
                owned.Add(first);
                rows.AppendTo(first);
                found.Add((contestant.Name, BareRead.Bytes(first), answers.Check(contestant.Name, first, attention)));
                KvCache[] layers = Layers(first, first.Statistics.TotalBytes, Copies(first));
                contenders.Add(Step(layer => attention.Decode(layers[layer], 0, queries, _outputs), layers.Length));
                contenders.Add(Reading(layer => read.Read(layers[layer]), layers.Length));
                progress(BuildingShare * (found.Count - 1) / contestants.Count);
            }

            double[] medians = new Rounds
            {
                Time = settings.Time * Math.Max(1, contestants.Count),
                Progress = share => progress(BuildingShare + ((1 - BuildingShare) * share)),
                Cancellation = cancellation,
            }.Medians(contenders);
            return [.. found.Select((f, i) => Result(f.Name, f.Bytes, f.Error, medians[2 * i], medians[(2 * i) + 1], medians[0]))];
        }
        finally
        {
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

    private static Contender Step(Action<int> step, int layers) => new(step, layers);

    // Half a walk away from where attention reads, so that the bytes are as cold.
    private static Contender Reading(Action<int> step, int layers) => new(step, layers, first: layers / 2);

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
