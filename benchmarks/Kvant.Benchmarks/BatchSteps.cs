using System.Diagnostics;
using System.Globalization;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Speed;
using Kvant.Models.Decoding;

namespace Kvant.Benchmarks;

/// <summary>What a step of many sequences costs beside a step of one, on a model of random weights: <c>-- batch [THREADS [FORMAT]]</c>.</summary>
internal static class BatchSteps
{
    private const int Rounds = 9;

    public static int Run(int threads, string format)
    {
        string path = Path.Combine(Path.GetTempPath(), $"kvant-batch-{Guid.NewGuid():N}.gguf");
        try
        {
            new DecodeSpeed { Pairs = [], Layers = 8, Width = 2048, FeedForward = 5632, KvHeads = 4, Group = 8, Dimension = 64, Vocabulary = 8000, WeightFormat = format }.SaveModel(path);
            foreach (bool copied in (ReadOnlySpan<bool>)[false, true]) Run(path, threads, copied);
            return 0;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void Run(string path, int threads, bool copied)
    {
        using LanguageModel model = LanguageModel.Open(path);
        if (copied) model.CopyWeights(threads);
        using BatchDecoder decoder = new(model, new DecoderOptions { Arithmetic = Arithmetic.Fast, Batch = 32, Threads = threads });
        int[] sizes = [1, 2, 4, 7, 8, 16, 32];
        KvCache[] caches = [.. Enumerable.Range(0, sizes[^1]).Select(_ => new KvCache(KvCacheOptions.Preset("balanced", model.CacheGeometry)))];
        int[] prompt = [.. Enumerable.Range(0, 64)], tokens = new int[sizes[^1]];
        float[] logits = new float[sizes[^1] * model.VocabularySize];
        foreach (KvCache cache in caches) decoder.Read(cache, prompt);
        Check(decoder, caches, logits, model.VocabularySize);
        List<double>[] times = [.. sizes.Select(_ => new List<double>())];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < sizes.Length; i++)
            {
                for (int step = 0; step < 3; step++)
                {
                    long start = Stopwatch.GetTimestamp();
                    decoder.Step(caches.AsSpan(0, sizes[i]), tokens.AsSpan(0, sizes[i]), logits.AsMemory(0, sizes[i] * model.VocabularySize));
                    times[i].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }
            }
        }

        Console.WriteLine($"{threads} thread(s), weights {(copied ? "copied" : "mapped")}: sequences, ms of a step, tokens/s, times one sequence's");
        double one = Median(times[0]);
        for (int i = 0; i < sizes.Length; i++)
        {
            double step = Median(times[i]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {sizes[i],3} {step,8:0.00} {1000 * sizes[i] / step,8:0.0} {sizes[i] * one / step,6:0.00}"));
        }

        foreach (KvCache cache in caches) cache.Dispose();
    }

    // All sequences are alike: whoever stepped alone and those who step together must be told the same, but for the order in which floats add up.
    private static void Check(BatchDecoder decoder, KvCache[] caches, float[] logits, int vocabulary)
    {
        float[] alone = new float[vocabulary];
        decoder.Step(caches.AsSpan(0, 1), [1], alone);
        decoder.Step(caches.AsSpan(1), [.. Enumerable.Repeat(1, caches.Length - 1)], logits.AsMemory(vocabulary));
        float largest = alone.Max(Math.Abs);
        for (int i = vocabulary; i < logits.Length; i++)
        {
            if (!(Math.Abs(logits[i] - alone[i % vocabulary]) <= 1e-2f * largest))
                throw new InvalidOperationException($"logit {i % vocabulary} of sequence {i / vocabulary} is {logits[i]}; alone it is {alone[i % vocabulary]}");
        }
    }

    private static double Median(List<double> times) => times.Order().ElementAt(times.Count / 2);
}
