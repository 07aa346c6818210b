using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>Pages that lie on a device alone and belong to several caches.</summary>
public sealed class OwnedForksTests
{
    // Sinks, a page, and two blocks of 32 rows: a cut here needs no codes.
    private const int Border = 4 + 128 + 64;

    [Fact]
    public void SharedPagesStayHereAndMayBeSharedAway()
    {
        using var pool = new PagePool();
        using KvCache cache = OwnedCases.Cache(pool);
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 500, 2);
        KvCache early = cache.Fork();
        copy.Upload();
        Assert.Equal(0, OwnedCases.Away(cache));
        early.Dispose();
        copy.Upload();
        long away = OwnedCases.Away(cache), used = pool.UsedBytes;
        Assert.Equal(OwnedCases.BytesThatStay(cache), used);

        using KvCache late = cache.Fork();
        Assert.Equal((away, away, used), (OwnedCases.Away(cache), OwnedCases.Away(late), pool.UsedBytes));
        float[] expected = OwnedCases.DecodedHere(late);
        Assert.Equal((0, 0), (OwnedCases.Away(cache), OwnedCases.Away(late)));
        Assert.Equal(used + away, pool.UsedBytes);
        Assert.Equal(expected, OwnedCases.DecodedHere(cache));
        copy.Upload();
        Assert.Equal(0, OwnedCases.Away(cache)); // the fork has them, too
    }

    [Fact]
    public void ForkThatOutlivesEverythingElseReadsItsPages()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using KvCache plain = OwnedCases.Cache();
            AttentionCases.Append(plain, 500, 2);
            KvCache cache = OwnedCases.Cache(), fork;
            using (var copy = new GpuKvCache(cache, device, owns: true))
            {
                AttentionCases.Append(cache, 500, 2);
                copy.Upload();
                fork = cache.Fork();
                cache.Dispose();
            }

            long away = OwnedCases.Away(fork);
            Assert.InRange(device.UsedBytes, away, 2 * away);
            using (fork)
            using (var copy = new GpuKvCache(fork, device, owns: true))
            {
                // Its copy finds them there: sinks and window, and the page that is being filled, are what it sends.
                long written = context.WrittenBytes;
                copy.Upload();
                Assert.InRange(context.WrittenBytes - written, 1, 2 * OwnedCases.BytesThatStay(fork));
                Assert.Equal(0, context.ReadBytes);
                GpuCases.AssertDecode(copy, new(), "the fork");
                Assert.Equal(plain.Freeze(), fork.Freeze());
                Assert.Equal(0, OwnedCases.Away(fork));
            }

            Assert.InRange(device.UsedBytes, 0, 1 << 16); // tables that all caches share
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NobodyWritesOverWhatOthersRead(bool followsTheCut)
    {
        using KvCache cache = OwnedCases.Cache(), plain = OwnedCases.Cache();
        using GpuKvCache copy = new(cache, GpuCases.Device, owns: true), follows = new(plain, GpuCases.Device);
        AttentionCases.Append(cache, 500, 2);
        AttentionCases.Append(plain, 500, 2);
        float[] before = OwnedCases.Decoded(follows);
        copy.Upload();
        using KvCache fork = cache.Fork();
        using var other = new GpuKvCache(fork, GpuCases.Device);
        Assert.Equal(before, OwnedCases.Decoded(other));
        cache.Truncate(Border);
        Assert.NotEqual(0, OwnedCases.Away(cache)); // no codes were needed
        if (followsTheCut)
            copy.Upload();
        AttentionCases.Append(cache, 300, 7);
        plain.Truncate(Border);
        AttentionCases.Append(plain, 300, 7);
        Assert.Equal(OwnedCases.Decoded(follows), OwnedCases.Decoded(copy));
        Assert.Equal(before, OwnedCases.Decoded(other));
        copy.Upload();
        Assert.Equal(before, OwnedCases.Decoded(other));
        Assert.Equal(plain.Freeze(), cache.Freeze());
        using KvCache again = OwnedCases.Cache();
        AttentionCases.Append(again, 500, 2);
        Assert.Equal(again.Freeze(), fork.Freeze());
    }

    [Fact]
    public void DriverThatFailsWhileAPageIsReplacedLeavesBothRight()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using KvCache cache = OwnedCases.Cache(), plain = OwnedCases.Cache();
            using GpuKvCache copy = new(cache, device, owns: true), follows = new(plain, device);
            AttentionCases.Append(cache, 500, 2);
            AttentionCases.Append(plain, 500, 2);
            float[] before = OwnedCases.Decoded(follows);
            copy.Upload();
            using KvCache fork = cache.Fork();
            using var other = new GpuKvCache(fork, device);
            other.Upload();
            cache.Truncate(Border);
            copy.Upload();
            AttentionCases.Append(cache, 300, 7);
            plain.Truncate(Border);
            AttentionCases.Append(plain, 300, 7);
            int failures = 0;
            for (int calls = 0; calls < 3; calls++)
            {
                long used = device.UsedBytes;
                context.CallsBeforeFailure = calls;
                failures += Record.Exception(copy.Upload) is GpuException ? 1 : 0;
                context.CallsBeforeFailure = -1;
                Assert.True(calls > 0 || used == device.UsedBytes, "The page that was to replace another is still there.");
                Assert.Equal(before, OwnedCases.Decoded(other));
            }

            Assert.InRange(failures, 2, 3);
            Assert.Equal(OwnedCases.Decoded(follows), OwnedCases.Decoded(copy));
            Assert.Equal(plain.Freeze(), cache.Freeze());
        }
    }
}
