using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Tests.Caching;

public sealed class KvCacheTests
{
    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("kivi")]
    [InlineData("fp16")]
    public void RunsHoldEveryLivingTokenOnce(string pair)
    {
        foreach ((int tokens, int evicted, int window) in ((int, int, int)[])[(0, 0, 20), (2, 0, 20), (3, 0, 20), (150, 0, 20), (400, 0, 20), (400, 150, 20), (400, 395, 20), (400, 398, 0), (90, 40, 70)])
        {
            using KvCache cache = CacheSamples.Cache(CacheSamples.Options(pair, window: window), tokens);
            cache.Evict(evicted);
            var positions = new SortedSet<int>();
            cache.Read(positions, (reader, positions) =>
            {
                for (int i = 0; i < reader.RunCount(0); i++)
                {
                    CacheRun run = reader.Run(0, 1, i);
                    Assert.InRange(run.Dead, 0, run.Rows - 1);
                    float[] keys = run.KeyCodec.Decode(run.Keys), values = run.ValueCodec.Decode(run.Values);
                    Assert.Equal(run.Rows * CacheSamples.KeyDimension, keys.Length);
                    Assert.Equal(run.Rows * CacheSamples.ValueDimension, values.Length);
                    int first = run.FirstPosition + run.Dead, count = run.Rows - run.Dead;
                    float[] wantedKeys = new float[count * CacheSamples.KeyDimension], wantedValues = new float[count * CacheSamples.ValueDimension];
                    cache.Decode(0, 1, first, count, wantedKeys, wantedValues);
                    Assert.Equal(wantedKeys, keys[(run.Dead * CacheSamples.KeyDimension)..]);
                    Assert.Equal(wantedValues, values[(run.Dead * CacheSamples.ValueDimension)..]);
                    for (int p = first; p < first + count; p++)
                        Assert.True(positions.Add(p), $"Position {p} lies in two runs.");
                }
            });

            int[] living = new int[cache.LiveTokens(0)];
            cache.CopyPositions(0, living);
            Assert.Equal(living, positions);
        }
    }

    [Fact]
    public void ChangesGrowWhenTokensComeOrGoAndOnlyThen()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", window: 20), tokens: 150);
        (float[] keys, float[] values) = CacheSamples.Tokens(5, seed: 3);
        long changes = 0;
        foreach (Action change in (Action[])[() => { }, () => cache.Append(0, keys, values), () => cache.Truncate(cache.Length - 5), cache.Clear, () => Assert.True(cache.TryAppend(0, keys, values))])
        {
            change();
            Assert.True(cache.Changes > changes);
            changes = cache.Changes;
        }

        cache.Append(0, keys.AsSpan(0, 0), values.AsSpan(0, 0));
        cache.Truncate(cache.Length);
        cache.Trim();
        cache.Fork().Dispose();
        Assert.Equal(changes, cache.Changes);
    }

    [Fact]
    public void DecodedTokensAreNearThoseThatWereAppended()
    {
        // The oracle shares codecs with the cache; this does not: 4 bits lose 1 %, a decoder of zeros all.
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4"), tokens: 300, seed: 9);
        (float[] keys, _) = CacheSamples.Tokens(300, seed: 9);
        for (int head = 0; head < CacheSamples.Heads; head++)
        {
            float[] decoded = new float[200 * CacheSamples.KeyDimension], original = [.. keys.Chunk(CacheSamples.KeyDimension).Where((_, i) => i % CacheSamples.Heads == head).Skip(10).Take(200).SelectMany(r => r)];
            cache.Decode(0, head, 10, 200, decoded, new float[200 * CacheSamples.ValueDimension]);
            Assert.InRange(Measure.Nmse(original, decoded), 0.001, 0.02);
        }
    }

    [Fact]
    public void HalfAndBFloat16TokensAreStoredLikeTheSameFloats()
    {
        KvCacheOptions options = CacheSamples.Options("turboquant:bits=3");
        (float[] keys, float[] values) = CacheSamples.Tokens(200, seed: 2);
        Half[] halfKeys = new Half[keys.Length], halfValues = new Half[values.Length];
        TensorPrimitives.ConvertToHalf(keys, halfKeys);
        TensorPrimitives.ConvertToHalf(values, halfValues);
        using var half = new KvCache(options);
        using var likeHalf = new KvCache(options);
        half.Append(0, halfKeys, halfValues);
        likeHalf.Append(0, (float[])[.. halfKeys.Select(x => (float)x)], (float[])[.. halfValues.Select(x => (float)x)]);
        Assert.Equal(likeHalf.Freeze(), half.Freeze());

        ushort[] brainKeys = [.. keys.Select(x => (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16))], brainValues = [.. values.Select(x => (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16))];
        using var brain = new KvCache(options);
        using var likeBrain = new KvCache(options);
        brain.Append(0, TokenRows.BFloat16(brainKeys), TokenRows.BFloat16(brainValues));
        likeBrain.Append(0, (float[])[.. brainKeys.Select(x => BitConverter.UInt32BitsToSingle((uint)x << 16))], (float[])[.. brainValues.Select(x => BitConverter.UInt32BitsToSingle((uint)x << 16))]);
        Assert.Equal(likeBrain.Freeze(), brain.Freeze());
    }

    [Fact]
    public void FloatsStayWhatTheyAreWithoutCompression()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp32", window: 5), tokens: 200, seed: 3);
        float[] decoded = new float[200 * CacheSamples.KeyDimension];
        cache.Decode(0, 1, 0, 200, decoded, new float[200 * CacheSamples.ValueDimension]);
        Assert.Equal(CacheSamples.Tokens(200, seed: 3).Keys.Chunk(CacheSamples.KeyDimension).Where((_, i) => i % 2 == 1).SelectMany(r => r), decoded);
    }

    [Fact]
    public void LayersMayRunAheadWithinAStep()
    {
        using var cache = new KvCache(CacheSamples.Options("q8", layers: 3));
        CacheSamples.Append(cache, 5, seed: 1, layer: 0);
        CacheSamples.Append(cache, 4, seed: 1, layer: 1);
        Assert.Equal((0, 5, 4), (cache.Length, cache.LayerLength(0), cache.LayerLength(1)));
        CacheSamples.Append(cache, 3, seed: 1, layer: 2);
        Assert.Equal(3, cache.Length);
        cache.Truncate(4);
        Assert.Equal((3, 4, 4, 3), (cache.Length, cache.LayerLength(0), cache.LayerLength(1), cache.LayerLength(2)));
        cache.Clear();
        Assert.Equal((0, 0, 0L), (cache.Length, cache.LiveTokens(0), cache.Statistics.TotalBytes));
    }

    [Fact]
    public void EvictionKeepsSinksAndTheNewest()
    {
        using KvCache window = CacheSamples.Cache(CacheSamples.Options("q8", sinks: 4, eviction: new Eviction.Newest(50)), tokens: 54);
        Assert.Equal((4, 54, false, true), (window.FirstLive(0), window.LiveTokens(0), window.ShouldTrim(0), window.ShouldTrim(1)));
        using KvCache most = CacheSamples.Cache(CacheSamples.Options("q8", sinks: 4, eviction: new Eviction.MaxTokens(50)), tokens: 49);
        Assert.Equal((false, true), (most.ShouldTrim(1), most.ShouldTrim(2)));
        CacheSamples.Append(most, 300, seed: 2);
        Assert.Equal((349, 303, 50), (most.Length, most.FirstLive(0), most.LiveTokens(0)));
        Assert.False(CacheSamples.Cache(CacheSamples.Options("q8"), 100).ShouldTrim(1_000_000));
    }

    [Fact]
    public void EvictedTokensAreRefusedByName()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8", sinks: 4), tokens: 100);
        cache.Evict(40);
        cache.Evict(30); // never backwards
        Assert.Equal(40, cache.FirstLive(0));
        float[] keys = new float[2 * CacheSamples.KeyDimension], values = new float[2 * CacheSamples.ValueDimension];
        cache.Decode(0, 0, 2, 2, keys, values);
        cache.Decode(0, 0, 98, 2, keys, values);
        foreach (int first in (int[])[3, 4, 39])
            Assert.Contains("4 to 39 are evicted", Assert.Throws<ArgumentOutOfRangeException>(() => cache.Decode(0, 0, first, 2, keys, values)).Message, StringComparison.Ordinal);
        Assert.Contains("101; the layer has 100", Assert.Throws<ArgumentOutOfRangeException>(() => cache.Decode(0, 0, 99, 2, keys, values)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Evict(101));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Evict(-1));
    }

    [Fact]
    public void CutBelowTheFirstLivingTokenLeavesTheSinksAndGoesOn()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("kivi", sinks: 4), tokens: 400);
        cache.Evict(300);
        cache.Truncate(77);
        Assert.Equal((77, 77, 4), (cache.Length, cache.FirstLive(0), cache.LiveTokens(0)));
        CacheSamples.Append(cache, 3, seed: 8);
        int[] positions = new int[cache.LiveTokens(0)];
        cache.CopyPositions(0, positions);
        Assert.Equal([0, 1, 2, 3, 77, 78, 79], positions);
    }

    [Fact]
    public void DisposedCacheReturnsItsMemoryAndRefusesUse()
    {
        using var pool = new PagePool();
        KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8", pool: pool), tokens: 300);
        cache.Dispose();
        cache.Dispose();
        Assert.Equal(0, pool.UsedBytes);
        Assert.Throws<ObjectDisposedException>(() => cache.Append(0, new float[128], new float[192]));
        Assert.Throws<ObjectDisposedException>(() => cache.Length);
        Assert.Throws<ObjectDisposedException>(() => cache.Read(0, static (reader, _) => reader.RunCount(0)));
        Assert.Throws<ObjectDisposedException>(() => cache.Freeze());
        Assert.Throws<ObjectDisposedException>(() => cache.Fork());
        Assert.Throws<ObjectDisposedException>(() => cache.Truncate(0));
    }

    [Fact]
    public void OptionsThatDoNotFitTogetherAreRefused()
    {
        KvCacheOptions good = CacheSamples.Options("q8", sinks: 4, layers: 2);
        Assert.Contains("1 layers; the geometry has 2", Refusal(good with { Policy = [good.Policy[0]] }), StringComparison.Ordinal);
        Assert.Contains("3 query heads", Refusal(good with { Geometry = good.Geometry with { QueryHeads = 3 } }), StringComparison.Ordinal);
        Assert.Contains("nothing beside 4 sinks", Refusal(good with { Eviction = new Eviction.MaxTokens(4) }), StringComparison.Ordinal);
        Assert.Contains("does not take rows of 65 numbers", Refusal(good with { Geometry = good.Geometry with { KeyDimension = 65 }, Policy = LayerPolicy.Uniform(2, CodecSpec.Parse("q4_0"), CodecSpec.Parse("q8")) }), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => good with { WindowCodec = CodecSpec.Parse("q8") });
        Assert.Throws<ArgumentOutOfRangeException>(() => good with { Sinks = -1 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new Eviction.Newest(0));
        Assert.Throws<ArgumentNullException>(() => new KvCache(null!));
        Assert.Equal(4, (good.Geometry with { QueryHeads = 8 }).GroupSize);
    }

    [Fact]
    public void ACacheOfBlocksAloneReturnsItsMemory()
    {
        using var pool = new PagePool();
        for (int i = 0; i < 2; i++)
        {
            KvCacheOptions options = CacheSamples.Options("bf16", sinks: 0, window: 0, layers: 3, pool: pool);
            using (KvCache cache = CacheSamples.Cache(options, tokens: 10 + i), other = cache.Fork())
                Assert.Equal(cache.Statistics.TotalBytes, pool.UsedBytes);
            pool.Trim();
            Assert.Equal((0, 0), (pool.UsedBytes, pool.AllocatedBytes));
        }
    }

    [Fact]
    public void AppendAllocatesNothing()
    {
        using var pool = new PagePool();
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4|kivi", eviction: new Eviction.Newest(200), pool: pool), tokens: 3000);
        (float[] keys, float[] values) = CacheSamples.Tokens(1, seed: 4);
        Half[] halfKeys = new Half[keys.Length], halfValues = new Half[values.Length];
        long Allocated(int tokens, Action append)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < tokens; i++)
                append();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // Pages come and go within 256 tokens; the least of several rounds, for the runtime itself allocates now and then.
        long floats = Enumerable.Range(0, 4).Min(_ => Allocated(256, () => cache.Append(0, keys, values)));
        long halves = Enumerable.Range(0, 4).Min(_ => Allocated(256, () => cache.Append(0, halfKeys, halfValues)));
        long cuts = Enumerable.Range(0, 4).Min(_ => Allocated(1, () =>
        {
            cache.Truncate(cache.Length - 25);
            for (int i = 0; i < 25; i++)
                cache.Append(0, keys, values);
        }));
        Assert.Equal((0, 0, 0), (floats, halves, cuts));
    }

    [Fact]
    public async Task ReadersSeeWholeStepsWhileOneWrites()
    {
        // Every token holds its own position in all numbers, so a reader knows what it must see.
        using var cache = new KvCache(CacheSamples.Options("fp16", sinks: 2, window: 8, eviction: new Eviction.Newest(300)));
        using var stop = new CancellationTokenSource();
        Task[] readers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
        {
            int reads = 0;
            while (!stop.IsCancellationRequested || reads == 0)
            {
                cache.Read(cache, static (reader, cache) =>
                {
                    for (int i = 0; i < reader.RunCount(0); i++)
                    {
                        CacheRun run = reader.Run(0, 1, i);
                        ReadOnlySpan<Half> numbers = MemoryMarshal.Cast<byte, Half>(run.Keys);
                        for (int n = 0; n < numbers.Length; n++)
                            Assert.True(run.FirstPosition + (n / CacheSamples.KeyDimension) == (int)numbers[n], $"Position {run.FirstPosition} and {n} numbers on is {numbers[n]}.");
                    }

                    if (cache.Length > 0)
                    {
                        float[] keys = new float[CacheSamples.KeyDimension], values = new float[CacheSamples.ValueDimension];
                        cache.Decode(0, 0, cache.Length - 1, 1, keys, values);
                        Assert.Equal(cache.Length - 1, (int)keys[0]);
                    }
                });
                reads++;
            }
        }, TestContext.Current.CancellationToken))];
        for (int t = 0; t < 1500; t++)
        {
            int tokens = cache.Length;
            cache.Append(0, (float[])[.. Enumerable.Repeat((float)tokens, CacheSamples.Heads * CacheSamples.KeyDimension)], (float[])[.. Enumerable.Repeat((float)tokens, CacheSamples.Heads * CacheSamples.ValueDimension)]);
            if (t % 50 == 49)
                cache.Truncate(tokens - 20);
        }

        await stop.CancelAsync();
        await Task.WhenAll(readers).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    private static string Refusal(KvCacheOptions options) => Assert.ThrowsAny<ArgumentException>(() => new KvCache(options)).Message;
}
