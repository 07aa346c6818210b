using System.Diagnostics;
using System.Globalization;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Formats;
using Kvant.Tests;
using Kvant.Tests.Formats;

namespace Kvant.Conversations.Tests.Stores;

public sealed class DiskChunkStoreTests : StoreContract, IDisposable
{
    private const int Eio = 5;
    private const int Enospc = 28;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    protected override Task<IChunkStore> CreateAsync() => Task.FromResult<IChunkStore>(new DiskChunkStore(_folder.File("store")));

    [Fact]
    public async Task FilesLieTwoLevelsDownUnderTheirKeys()
    {
        var store = new DiskChunkStore(_folder.File("a/b"));
        ChunkKey key = Keys(1, 1)[0];
        await store.PutAsync([key], Memories([1, 2]));
        string text = key.ToString();
        Assert.Equal([1, 2], await File.ReadAllBytesAsync(Path.Combine(store.Folder, text[..2], text[2..4], text + ".chunk")));
        // Another process, or this one after a restart.
        Assert.Equal([1, 2], await GetAsync(new DiskChunkStore(_folder.File("a/b")), key));
    }

    [Theory]
    [InlineData(Enospc, PutOutcome.NoRoom)]
    [InlineData(Eio, PutOutcome.Failed)]
    public async Task DiskThatRefusesIsAnAnswerAndLeavesNothing(int error, PutOutcome outcome)
    {
        var store = new DiskChunkStore(_folder.Root, long.MaxValue, path => AtomicFile.Create(path, _ => error, _ => 0));
        ChunkKey key = Keys(1, 2)[0];
        Assert.Equal((PutOutcome[])[outcome], await store.PutAsync([key], Memories(Value(1000, 1))));
        Assert.Equal((bool[])[false], await store.ContainsAsync([key]));
        Assert.Empty(Directory.GetFiles(_folder.Root, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }));
    }

    [Fact]
    public async Task FullDiskIsCountedAndTheConversationGoesOn()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8"));
        await using var prefixes = new PrefixStore(new DiskChunkStore(_folder.Root, long.MaxValue, path => AtomicFile.Create(path, _ => Enospc, _ => 0)), options);
        using var cache = new Kvant.Caching.KvCache(options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        int[] tokens = Samples.Tokens(600, 1);
        foreach (int end in (int[])[300, 600])
        {
            Samples.Append(cache, tokens.AsSpan(cache.Length, end - cache.Length));
            Assert.Equal(StoreOutcome.Queued, sequence.Store(tokens));
            await prefixes.FlushAsync();
        }

        Assert.Equal((PutOutcome.NoRoom, 2), Assert.Single(prefixes.Statistics.Refusals.Select(r => (r.Key, (int)r.Value))));
    }

    [Fact]
    public async Task LimitIsKeptAndLeavesThatWereUsedLongestAgoGoFirst()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[] used = Samples.Tokens(4 + 256 + 30, 1), unused = Samples.Tokens(4 + 256 + 30, 2), third = Samples.Tokens(4 + 256 + 30, 3);
        ChunkKey[] ofUsed = new ChunkPlan(options).KeysOf(used), ofUnused = new ChunkPlan(options).KeysOf(unused);
        await Samples.StoreAsync(new DiskChunkStore(_folder.File("one")), options, used);
        long one = new DiskChunkStore(_folder.File("one")).Verify().Bytes;

        var store = new DiskChunkStore(_folder.File("store"), 3 * one - 1);
        await Samples.StoreAsync(store, options, used);
        await Samples.StoreAsync(store, options, unused);
        await Task.Delay(20); // times of files are not finer than this everywhere
        Assert.Equal(4 + 256, (await Samples.RestoreAsync(store, options, used)).Tokens);
        await Samples.StoreAsync(store, options, third);
        Assert.InRange(store.Verify().Bytes, 1, store.SizeLimit);
        Assert.Equal((bool[])[true, true], await store.ContainsAsync(ofUsed));
        Assert.Equal((bool[])[true, false], await store.ContainsAsync(ofUnused));

        Assert.Equal((PutOutcome[])[PutOutcome.TooLong], await store.PutAsync(Keys(1, 1), Memories(new byte[3 * one])));
        var smaller = new DiskChunkStore(_folder.File("store"), one);
        Assert.InRange(smaller.CollectGarbage().Evicted, 2, 4);
        Assert.InRange(smaller.Verify().Bytes, 1, one);
    }

    [Fact]
    public async Task VerifyNamesWhatIsDamagedAndGarbageIsCollected()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[] tokens = Samples.Tokens(4 + (4 * 128) + 30, 1);
        var store = new DiskChunkStore(_folder.Root);
        await Samples.StoreAsync(store, options, tokens);
        ChunkKey[] keys = new ChunkPlan(options).KeysOf(tokens);
        Assert.Equal((4, 0), (store.Verify().Files, store.Verify().Problems.Count));
        string damaged = FileOf(store, keys[1]);
        byte[] bytes = await File.ReadAllBytesAsync(damaged);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(damaged, bytes);
        string begun = Path.Combine(Path.GetDirectoryName(damaged)!, ".x.chunk.0.tmp"), young = Path.Combine(Path.GetDirectoryName(damaged)!, ".y.chunk.0.tmp");
        await File.WriteAllTextAsync(begun, "half");
        await File.WriteAllTextAsync(young, "half");
        File.SetLastWriteTimeUtc(begun, DateTime.UtcNow.AddHours(-2));

        DiskReport report = store.Verify();
        Assert.Equal(4, report.Files);
        Assert.Equal((Path.GetRelativePath(store.Folder, damaged), "it is damaged or no chunk"), Assert.Single(report.Problems));
        // Restoring it ends there, and the file is gone.
        Assert.Equal((4 + 128, ChunkMiss.Damaged), await Samples.RestoreAsync(store, options, tokens));
        Assert.False(File.Exists(damaged));

        DiskReport collected = store.CollectGarbage();
        Assert.Equal(1, collected.Files);
        Assert.Equal(["begun and never finished", "what comes before it is gone", "what comes before it is gone"], collected.Problems.Select(p => p.Reason));
        Assert.True(File.Exists(young) && !File.Exists(begun));
        Assert.Empty(store.Verify().Problems);
    }

    [Fact]
    public async Task ChunkUnderAnotherNameIsNoChunk()
    {
        var store = new DiskChunkStore(_folder.Root);
        (ChunkKey key, byte[] value) = KilledWriter.Chunk(new Random(1), 100);
        ChunkKey other = Keys(1, 3)[0];
        await store.PutAsync([other], [value]);
        Assert.Equal($"it is the chunk {key}", Assert.Single(store.Verify().Problems).Reason);
    }

    [Fact]
    public async Task ClocksThatJumpChangeTheOrderOfEvictionAlone()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        var store = new DiskChunkStore(_folder.Root, 60_000);
        for (int i = 0; i < 8; i++)
        {
            int[] tokens = Samples.Tokens(4 + 128 + 30, i);
            await Samples.StoreAsync(store, options, tokens);
            File.SetLastWriteTimeUtc(FileOf(store, new ChunkPlan(options).KeysOf(tokens)[0]), DateTime.UnixEpoch.AddYears(i % 2 == 0 ? 0 : 200));
            Assert.InRange(store.Verify().Bytes, 1, 60_000);
            Assert.Equal(4 + 128, (await Samples.RestoreAsync(store, options, tokens)).Tokens);
        }

        Assert.Empty(store.Verify().Problems);
    }

    // All of them: KVANT_KILLS=500.
    [Fact]
    public void WritersThatAreKilledLeaveWholeChunksAlone() => Fresh.Each("kills", 1, seed =>
    {
        if (OperatingSystem.IsWindows())
            return;
        int kills = int.TryParse(Environment.GetEnvironmentVariable("KVANT_KILLS"), CultureInfo.InvariantCulture, out int said) ? said : 16;
        var random = new Random(seed);
        var store = new DiskChunkStore(_folder.Root);
        int promised = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            // Each moment of the first puts, then any time at all, two writers at once.
            int? moment = kill % 2 == 0 ? kill / 2 % (3 * KilledWriter.Moments) : null;
            using Process one = KilledWriter.Start(_folder.Root, random.Next(), moment), two = KilledWriter.Start(_folder.Root, random.Next(), null);
            Task<string> ofOne = one.StandardOutput.ReadToEndAsync(), ofTwo = two.StandardOutput.ReadToEndAsync();
            if (moment is null)
                one.WaitForExit(random.Next(100, 600));
            else
                Assert.True(one.WaitForExit(60_000), "the writer should have ended itself");
            one.Kill();
            two.Kill();
            one.WaitForExit();
            two.WaitForExit();
            foreach (string line in (ofOne.Result + ofTwo.Result).Split('\n'))
            {
                if (!ChunkKey.TryParse(line, out ChunkKey key))
                    continue;
                Assert.True(File.Exists(FileOf(store, key)), $"kill {kill}: what was stored is gone");
                promised++;
            }

            Assert.Empty(store.Verify().Problems);
            // So that the next is as fast as the first.
            foreach (string folder in Directory.GetDirectories(_folder.Root))
                Directory.Delete(folder, recursive: true);
        }

        Assert.True(promised > 0);
    });

    private static string FileOf(DiskChunkStore store, ChunkKey key) => Path.Combine(store.Folder, key.ToString()[..2], key.ToString()[2..4], key + ".chunk");
}
