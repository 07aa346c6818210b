using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Attention;

/// <summary>Readers beside a writer: every answer is, bit for bit, the right one for a moment between two writes.</summary>
public sealed class SharedCacheTests
{
    private const int Writes = 120;
    private static readonly int[] s_threads = [1, 2, 3];

    [Theory]
    [InlineData("fp32")]
    [InlineData("turboquant:bits=4")]
    [InlineData("kivi:bits=2")]
    public void EveryAnswerIsThatOfAMoment(string spec) => Fresh.Each(spec, 1, seed =>
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        KvCacheOptions options = AttentionCases.Options(geometry, spec);
        HashSet<string>[] moments = [.. s_threads.Select(_ => new HashSet<string>())];
        CacheAttention[] attentions = [.. s_threads.Select(threads => Attention(geometry, threads))];
        using var alone = new KvCache(options);
        using var cache = new KvCache(options);
        for (int i = -1; i < Writes; i++)
        {
            Write(alone, seed, i);
            for (int t = 0; t < s_threads.Length; t++)
                moments[t].Add(Answer(attentions[t], alone));
            // What it answers alone is right: double precision says so.
            if (i % 10 == 0)
                AttentionCases.AssertDecode(alone, new() { Arithmetic = Kvant.Codecs.Arithmetic.Exact }, $"{spec}, write {i}");
        }

        Write(cache, seed, -1);
        bool done = false;
        int[] reads = new int[s_threads.Length];
        Patience.Job[] readers = [.. Enumerable.Range(0, s_threads.Length).Select(t => Patience.Start(() =>
        {
            while (!Volatile.Read(ref done) || reads[t] < 10)
            {
                string answer = Answer(attentions[t], cache);
                Assert.True(moments[t].Contains(answer), $"{s_threads[t]} threads, read {reads[t]}: an answer of no moment.");
                using KvCache fork = cache.Fork();
                Assert.True(moments[t].Contains(Answer(attentions[t], fork)), $"{s_threads[t]} threads, read {reads[t]}: an answer of no moment, on a fork.");
                Volatile.Write(ref reads[t], reads[t] + 1);
            }
        }))];
        for (int i = 0; i < Writes; i++)
        {
            // Now and then the readers get their turn, so that many moments are seen.
            if (i % 8 == 0)
            {
                int seen = Volatile.Read(ref reads[i / 8 % s_threads.Length]);
                Patience.Until(() => Volatile.Read(ref reads[i / 8 % s_threads.Length]) > seen || !readers[i / 8 % s_threads.Length].IsAlive, "a reader reads");
            }

            Write(cache, seed, i);
        }

        Volatile.Write(ref done, true);
        Assert.All(readers, reader => reader.AssertEnds("a reader beside a writer"));
        Array.ForEach(attentions, attention => attention.Dispose());
        Assert.Equal(alone.Freeze(), cache.Freeze());
    });

    // The same writes for the same seed: tokens come, some go, old ones are forgotten. The first write leaves something to read.
    private static void Write(KvCache cache, int seed, int write)
    {
        var random = new Random(seed + write);
        switch (write < 0 ? 9 : random.Next(10))
        {
            case 0:
                cache.Truncate(Math.Max(1, cache.Length - random.Next(60)));
                break;
            case 1:
                cache.Evict(random.Next(cache.Length));
                break;
            default:
                AttentionCases.Append(cache, 1 + random.Next(12), seed + write);
                break;
        }
    }

    private static CacheAttention Attention(CacheGeometry geometry, int threads) => new(geometry, new() { Threads = threads }) { FewestSharedPairs = 0 };

    private static string Answer(CacheAttention attention, KvCache cache)
    {
        CacheGeometry geometry = attention.Geometry;
        float[] outputs = new float[geometry.QueryHeads * geometry.ValueDimension], logSums = new float[geometry.QueryHeads];
        attention.Decode(cache, 0, AttentionCases.Queries(geometry, 1), outputs, logSums);
        return Convert.ToHexString(MemoryMarshal.AsBytes(outputs.AsSpan())) + Convert.ToHexString(MemoryMarshal.AsBytes(logSums.AsSpan()));
    }
}
