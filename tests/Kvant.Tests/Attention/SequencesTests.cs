using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Tests.Attention;

/// <summary>Many sequences in one call, and numbers as callers hold them.</summary>
public sealed class SequencesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void ManySequencesAttendAsEachAlone(int threads)
    {
        foreach (Arithmetic arithmetic in Enum.GetValues<Arithmetic>())
        {
            CacheGeometry geometry = AttentionCases.Geometry(group: 3, layers: 2).WithLayers((layer, shape) => layer == 1 ? shape with { SlidingWindow = 150 } : shape);
            var settings = new AttentionSettings { Arithmetic = arithmetic };
            using var together = new CacheAttention(geometry, settings with { Threads = threads }) { FewestSharedPairs = 0 };
            using var alone = new CacheAttention(geometry, settings);
            int[] lengths = [700, 0, 1, 2500, 33, 130, 700];
            KvCache[] caches = [.. lengths.Select((_, i) => new KvCache(AttentionCases.Options(geometry, i % 2 == 0 ? "turboquant:bits=4" : "q8")))];
            for (int i = 0; i < caches.Length; i++)
            {
                for (int layer = 0; layer < 2 && lengths[i] > 0; layer++)
                    AttentionCases.Append(caches[i], lengths[i], seed: i, layer);
            }

            caches = [.. caches, caches[0]]; // twice
            int q = geometry.QueryHeads * 64;
            float[] queries = AttentionCases.Queries(geometry, 1, caches.Length), outputs = new float[caches.Length * q], logSums = new float[caches.Length * geometry.QueryHeads];
            for (int layer = 0; layer < 2; layer++)
            {
                together.Decode(caches, layer, queries, outputs, logSums);
                float[] expected = new float[q], expectedSums = new float[geometry.QueryHeads];
                for (int i = 0; i < caches.Length; i++)
                {
                    alone.Decode(caches[i], layer, queries.AsSpan(i * q, q), expected, expectedSums);
                    AttentionCases.AssertOutput([.. expected.Select(x => (double)x)], outputs.AsSpan(i * q, q), $"{threads} threads, {arithmetic}, layer {layer}, sequence {i}", arithmetic == Arithmetic.Fast ? Tolerances.FastOrder : Tolerances.Attention);
                    for (int head = 0; head < geometry.QueryHeads; head++)
                        Assert.True(expectedSums[head] == logSums[(i * geometry.QueryHeads) + head] || Math.Abs(expectedSums[head] - logSums[(i * geometry.QueryHeads) + head]) < 1e-3, $"sequence {i}, head {head}");
                }
            }

            together.Decode(ReadOnlySpan<KvCache>.Empty, 0, default, []);
            foreach (KvCache cache in caches)
                cache.Dispose();
            Assert.Throws<ObjectDisposedException>(() => together.Decode(caches, 0, queries, outputs));
            Assert.Throws<ArgumentException>(() => together.Decode(caches, 0, queries.AsSpan(q), outputs));
        }
    }

    // What is wrong with one of many is found before anything is done for the others.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void CallThatIsRefusedForOneSequenceDoesNothing(int threads)
    {
        CacheGeometry geometry = AttentionCases.Geometry(), windowed = AttentionCases.Windowed(geometry, 20);
        using var attention = new CacheAttention(geometry, new AttentionSettings { Threads = threads }) { FewestSharedPairs = 0 };
        KvCache[] caches = [.. Enumerable.Range(0, 4).Select(i => new KvCache(AttentionCases.Options(geometry, "turboquant:bits=2,mean=32,frame=balanced")))];
        using KvCache other = new(AttentionCases.Options(windowed, "q8")), disposed = new(AttentionCases.Options(geometry, "q8"));
        for (int i = 0; i < 3; i++) // the last has nothing
            AttentionCases.Append(caches[i], 60 * (i + 1), seed: i);
        disposed.Dispose();
        float[] queries = AttentionCases.Queries(geometry, 1, 4), wrong = [.. queries], outputs = new float[4 * 256], logSums = new float[4 * 4];
        wrong[^1] = float.NaN;
        outputs.AsSpan().Fill(7);
        logSums.AsSpan().Fill(7);
        int[] observed = [.. caches.Select(cache => cache.Layers[0].Queries.Tokens)];
        (Type Error, Action Call)[] calls =
        [
            (typeof(ObjectDisposedException), () => attention.Decode([caches[0], caches[1], disposed, caches[2]], 0, queries, outputs, logSums)),
            (typeof(ObjectDisposedException), () => attention.Decode([disposed, caches[1], caches[1], caches[2]], 0, queries, outputs, logSums)),
            (typeof(ArgumentException), () => attention.Decode([caches[0], other, caches[1], caches[2]], 0, queries, outputs, logSums)),
            (typeof(ArgumentNullException), () => attention.Decode([caches[0], caches[1], null!, caches[2]], 0, queries, outputs, logSums)),
            (typeof(ArgumentException), () => attention.Decode(caches, 0, queries, outputs.AsSpan(1), logSums)),
            (typeof(ArgumentException), () => attention.Decode(caches, 0, queries, outputs, logSums.AsSpan(1))),
            (typeof(ArgumentException), () => attention.Decode(caches, 0, queries.AsSpan(64), outputs, logSums)),
            (typeof(ArgumentException), () => attention.Decode(caches, 0, queries, outputs, logSums, queries.AsSpan(256))),
            (typeof(ArgumentException), () => attention.Decode(caches, 0, wrong, outputs, logSums)),
            (typeof(ArgumentException), () => attention.Decode(caches, 0, queries, outputs, logSums, wrong)),
            (typeof(ArgumentOutOfRangeException), () => attention.Decode(caches, 1, queries, outputs, logSums)),
        ];
        foreach ((int i, (Type error, Action call)) in calls.Index())
        {
            Assert.Throws(error, call);
            Assert.True(outputs.All(x => x == 7) && logSums.All(x => x == 7), $"Call {i} wrote something.");
            Assert.Equal(observed, caches.Select(cache => cache.Layers[0].Queries.Tokens));
        }

        // No lock is kept: another thread writes to every cache, and the same object goes on; one of the caches stands there twice, one is empty.
        var writer = new Thread(() => Array.ForEach(caches[..3], cache => AttentionCases.Append(cache, 1, seed: 9))) { IsBackground = true };
        writer.Start();
        Assert.True(writer.Join(TimeSpan.FromMinutes(1)), "A cache is still locked.");
        attention.Decode([caches[0], caches[3], caches[2], caches[0]], 0, queries, outputs, logSums);
        Assert.All(outputs[256..512], x => Assert.Equal(0, x));
        Assert.All(logSums[4..8], x => Assert.Equal(float.NegativeInfinity, x));
        float[] alone = new float[256];
        attention.Decode(caches[0], 0, queries.AsSpan(768), alone);
        AttentionCases.AssertOutput([.. alone.Select(x => (double)x)], outputs.AsSpan(768), "twice", Tolerances.FastOrder);
        foreach (KvCache cache in caches)
            cache.Dispose();
    }

    // Locks are taken in one order, whatever the order of the caches: two callers and two writers that wait for each other would wait forever.
    [Fact]
    public async Task CallersThatShareCachesDoNotWaitForEachOther()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        KvCache[] caches = [.. Enumerable.Range(0, 3).Select(_ => new KvCache(AttentionCases.Options(geometry, "q8")))];
        foreach (KvCache cache in caches)
            AttentionCases.Append(cache, 20, seed: 1);
        Task[] callers = [.. Enumerable.Range(0, 4).Select(caller => Task.Run(() =>
        {
            using var attention = new CacheAttention(geometry);
            KvCache[] own = caller % 2 == 0 ? [.. caches] : [.. caches.Reverse()];
            float[] queries = AttentionCases.Queries(geometry, caller, 3), outputs = new float[queries.Length];
            (float[] key, float[] value) = AttentionCases.Rows(geometry, 1, seed: caller);
            for (int i = 0; i < 300; i++)
            {
                attention.Decode(own, 0, queries, outputs);
                own[i % 3].Append(0, key, value);
            }
        }))];
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.Equal(3 * 20 + 4 * 300, caches.Sum(cache => cache.Length));
        foreach (KvCache cache in caches)
            cache.Dispose();
    }

    [Fact]
    public void RowsAreReadWhereTheyLie()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        const int Tokens = 90, Q = 4 * 64, K = 2 * 64, Stride = Q + K + K + 3;
        float[] queries = AttentionCases.Queries(geometry, 1, Tokens);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, Tokens, seed: 2);
        float[] fused = new float[Tokens * Stride];
        fused.AsSpan().Fill(float.NaN);
        for (int t = 0; t < Tokens; t++)
        {
            queries.AsSpan(t * Q, Q).CopyTo(fused.AsSpan(t * Stride));
            keys.AsSpan(t * K, K).CopyTo(fused.AsSpan((t * Stride) + Q));
            values.AsSpan(t * K, K).CopyTo(fused.AsSpan((t * Stride) + Q + K));
        }

        Half[] halves = new Half[fused.Length];
        TensorPrimitives.ConvertToHalf(fused, halves);
        ushort[] brains = [.. fused.Select(x => (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16))];
        Assert.Equal(Dense(x => x), Run(fused, (x, start, length, stride) => new(x.AsSpan(start, length), stride)));
        Assert.Equal(Dense(x => (float)(Half)x), Run(halves, (x, start, length, stride) => new(x.AsSpan(start, length), stride)));
        Assert.Equal(Dense(Brain), Run(brains, (x, start, length, stride) => TokenRows.BFloat16(x.AsSpan(start, length), stride)));

        using var cache = new KvCache(AttentionCases.Options(geometry, "q8"));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TokenRows(fused, -1));
        Assert.Throws<ArgumentException>(() => cache.Append(0, new TokenRows(keys, K - 1), values));
        Assert.Throws<ArgumentException>(() => cache.Append(0, new TokenRows(keys, K + 1), values));
        Assert.Throws<ArgumentException>(() => cache.Append(0, keys.AsSpan(1), values));
        Assert.Throws<ArgumentException>(() => cache.Append(0, keys, values.AsSpan(K)));

        static float Brain(float x) => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(x) >> 16 << 16);

        float[] Dense(Func<float, float> rounded)
        {
            float[] q = [.. queries.Select(rounded)], k = [.. keys.Select(rounded)], v = [.. values.Select(rounded)];
            return Outputs(
                (filled, attention, outputs) => attention.Prefill(filled, 0, q, k, v, outputs),
                filled => filled.Append(0, k, v),
                (filled, attention, outputs) => attention.Decode(filled, 0, q.AsSpan(5 * Q, Q), outputs.AsSpan(0, Q)));
        }

        float[] Run<T>(T source, Rows<T> rows) => Outputs(
            (filled, attention, outputs) => attention.Prefill(filled, 0, Part(source, rows, 0, Q), Part(source, rows, Q, K), Part(source, rows, Q + K, K), outputs),
            filled => filled.Append(0, Part(source, rows, Q, K), Part(source, rows, Q + K, K)),
            (filled, attention, outputs) => attention.Decode(filled, 0, rows(source, 5 * Stride, Q, 0), outputs.AsSpan(0, Q)));

        static TokenRows Part<T>(T source, Rows<T> rows, int start, int width) => rows(source, start, ((Tokens - 1) * Stride) + width, Stride);

        float[] Outputs(Action<KvCache, CacheAttention, float[]> prompt, Action<KvCache> more, Action<KvCache, CacheAttention, float[]> step)
        {
            using var filled = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
            using var attention = new CacheAttention(geometry, new AttentionSettings { Arithmetic = Arithmetic.Exact });
            float[] first = new float[Tokens * Q], second = new float[Q];
            prompt(filled, attention, first);
            more(filled);
            step(filled, attention, second);
            return [.. first, .. second];
        }
    }

    private delegate TokenRows Rows<T>(T source, int start, int length, int stride);
}
