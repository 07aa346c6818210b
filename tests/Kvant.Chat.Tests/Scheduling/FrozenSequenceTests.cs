using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Kvant.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Chat.Tests.Scheduling;

public sealed class FrozenSequenceTests : IDisposable
{
    private const int Tokens = 300, Numbers = 2 * 64;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WhatIsPutAwayHasNoNameThatCouldStay()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows itself removes the file with its last handle; it has a name till then.");
        using Sequence sequence = Sequence();
        using FrozenSequence frozen = new(sequence, _folder.Root);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));
        using PagePool pool = new();
        for (int time = 0; time < 2; time++)
        {
            using Sequence back = frozen.Thaw(pool, _ => null);
            Assert.Equal(BytesOf(sequence), BytesOf(back));
            Assert.Equal(sequence.Tokens, back.Tokens);
        }
    }

    [Fact]
    public void WhatCannotBePutAwayLeavesNothing()
    {
        using Sequence sequence = Sequence();
        Assert.ThrowsAny<IOException>(() => new FrozenSequence(sequence, _folder.File("none")));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));
    }

    private static Sequence Sequence()
    {
        KvCache cache = new(KvCacheOptions.Preset("balanced", new CacheGeometry { Layers = 1, KvHeads = 2, KeyDimension = 64, ValueDimension = 64 }));
        Random random = new(1);
        float[] rows = [.. Enumerable.Range(0, Tokens * Numbers).Select(_ => (float)random.NextDouble() - .5f)];
        cache.Append(0, rows, rows);
        return new Sequence("tenant", cache, [.. Enumerable.Range(0, Tokens)], stored: null);
    }

    private static byte[] BytesOf(Sequence sequence)
    {
        using MemoryStream bytes = new();
        sequence.Cache.Freeze(bytes);
        return bytes.ToArray();
    }
}
