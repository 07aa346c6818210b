using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Caching;

public sealed class CacheReaderTests
{
    [Fact]
    public void WhatIsNotThereIsRefused()
    {
        KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp16"), tokens: 10);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Read(0, static (reader, _) => reader.RunCount(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Read(0, static (reader, _) => reader.Run(1, 0, 0).Rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Read(0, static (reader, _) => reader.Run(0, CacheSamples.Heads, 0).Rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Read(0, static (reader, _) => reader.Run(0, 0, reader.RunCount(0)).Rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Read(0, static (reader, _) => reader.Run(0, 0, -1).Rows));
        Assert.Throws<InvalidOperationException>(() => default(CacheReader).RunCount(0));
        Assert.Throws<ArgumentNullException>(() => cache.Read(0, (CacheReading<int>)null!));
        Assert.Throws<ArgumentNullException>(() => cache.Read(0, (CacheReading<int, int>)null!));
        cache.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cache.Read(0, static (_, _) => { }));
        Assert.Throws<ObjectDisposedException>(() => cache.Read(0, static (_, _) => 1));
    }

    [Fact]
    public void WritesOfAThreadThatReadsAreRefusedAndChangeNothing()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4"), tokens: 200);
        byte[] before = cache.Freeze();
        (float[] keys, float[] values) = CacheSamples.Tokens(1, seed: 3);
        Action[] writes = [() => cache.Append(0, keys, values), () => cache.Truncate(5), () => cache.Evict(50), cache.Clear, cache.Dispose];
        Assert.All(writes, write => Assert.Contains(
            "when Read has returned",
            Assert.Throws<InvalidOperationException>(() => cache.Read(write, static (_, write) => write())).Message,
            StringComparison.Ordinal));
        Assert.Equal(before, cache.Freeze());

        // And the lock is free again.
        Patience.Start(() => cache.Append(0, keys, values)).AssertEnds("a write after refused ones");
    }

    [Fact]
    public void WhoReadsMayReadInEveryWay()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4"), tokens: 200);
        Assert.Equal(cache.Freeze(), cache.Read(cache, static (_, cache) =>
        {
            using KvCache fork = cache.Fork();
            Assert.Equal(200, cache.Length);
            Assert.Equal(2, cache.Read(2, static (_, number) => number));
            return fork.Freeze();
        }));
    }

    [Fact]
    public void WriterWaitsUntilTheReaderReturns()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp16"), tokens: 10);
        Patience.Job writer = cache.Read(cache, static (reader, cache) =>
        {
            ReadOnlySpan<byte> bytes = reader.Run(0, 0, 0).Keys;
            byte[] before = bytes.ToArray();
            Patience.Job writer = Patience.Start(cache.Clear);
            writer.AssertWaits("Clear while another thread reads");
            Assert.True(bytes.SequenceEqual(before));
            return writer;
        });
        writer.AssertEnds("Clear after the reader");
        Assert.Equal(0, cache.Length);
    }

    [Fact]
    public void CallerGetsWhatTheCodeThrows()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp16"), tokens: 10);
        Assert.Throws<FormatException>(() => cache.Read(0, static (_, _) => throw new FormatException()));
        Patience.Start(cache.Clear).AssertEnds("a write after a reading that failed");
    }

    [Fact]
    public void ReadingAllocatesNothing()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4"), tokens: 500);
        float[] sums = new float[1];
        long Allocated()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            cache.Read(sums.AsSpan(), static (reader, sums) =>
            {
                for (int i = 0; i < reader.RunCount(0); i++)
                    sums[0] += reader.Run(0, 0, i).Keys.Length;
            });
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => Allocated()));
        Assert.True(sums[0] > 0);
    }
}
