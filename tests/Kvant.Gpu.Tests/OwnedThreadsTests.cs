using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>Threads that read on both sides, fork and dispose, while pages leave and come home.</summary>
public sealed class OwnedThreadsTests
{
    [Fact]
    public async Task ManyReadersBringEachPageHomeOnce()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using var pool = new PagePool();
            using KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache();
            using var copy = new GpuKvCache(cache, device, owns: true);
            AttentionCases.Append(cache, 1000, 3);
            AttentionCases.Append(plain, 1000, 3);
            float[] expected = OwnedCases.DecodedHere(plain);
            long all = pool.UsedBytes;
            int pages = cache.LayerAt(0).Extent.BodyRows / 128;
            for (int round = 0; round < 20; round++)
            {
                copy.Upload();
                Assert.Equal(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
                int reads = context.Reads;
                using var begin = new Barrier(8);
                await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Factory.StartNew(
                    () =>
                    {
                        begin.SignalAndWait();
                        Assert.Equal(expected, OwnedCases.DecodedHere(cache, threads: 1 + (i % 2)));
                    },
                    CancellationToken.None,
                    TaskCreationOptions.LongRunning,
                    TaskScheduler.Default)));
                Assert.Equal((0, all, pages), (OwnedCases.Away(cache), pool.UsedBytes, context.Reads - reads));
            }
        }
    }

    [Fact]
    public async Task ReadersForksAndAWriterAtOnce()
    {
        GpuCases.RequireDevice();
        using var device = GpuDevice.Open();
        using PagePool pool = new();
        using (KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache())
        using (var copy = new GpuKvCache(cache, device, owns: true))
        {
            AttentionCases.Append(cache, 600, 1);
            AttentionCases.Append(plain, 600, 1);
            using var done = new CancellationTokenSource();
            Task[] readers = [.. Enumerable.Range(0, 3).Select(i => Task.Run(() =>
            {
                while (!done.IsCancellationRequested)
                    ReadOnce(cache, copy, i);
            }))];
            for (int i = 0; i < 60; i++)
            {
                (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 40, i);
                copy.Append(0, keys, values);
                plain.Append(0, keys, values);
                if (i % 4 == 3)
                {
                    cache.Truncate(500 + i);
                    plain.Truncate(500 + i);
                }

                copy.Upload();
            }

            await done.CancelAsync();
            await Task.WhenAll(readers);
            GpuCases.AssertDecode(copy, new(), "after it all");
            Assert.Equal(plain.Freeze(), cache.Freeze());
        }

        Assert.Equal(0, pool.UsedBytes);
    }

    // Each in its own way; every answer is held to what the same lock shows of the cache.
    private static void ReadOnce(KvCache cache, GpuKvCache copy, int way)
    {
        if (way == 0)
        {
            Assert.Contains(OwnedCases.Decoded(copy), x => x != 0);
        }
        else if (way == 1)
        {
            using KvCache fork = cache.Fork();
            using var other = new GpuKvCache(fork, copy.Device, owns: true);
            other.Upload();
            GpuCases.AssertDecode(other, new(), "a fork");
        }
        else
        {
            Assert.Contains(OwnedCases.DecodedHere(cache), x => x != 0);
        }
    }
}
