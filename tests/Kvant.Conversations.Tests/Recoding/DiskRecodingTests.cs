using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>Folders whose chunks are coded again, at once or before any is removed.</summary>
public sealed class DiskRecodingTests : IDisposable
{
    private static readonly LayerSpecs s_tiny = LayerSpecs.FromText("tiny");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task FolderIsCodedAgainWithoutAModelAndEverythingIsFound()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced")) with { Tenant = "ada" }, plain = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[] tokens = Samples.Tokens(4 + (4 * 128) + 30, 1), others = Samples.Tokens(4 + 128 + 30, 2);
        var store = new DiskChunkStore(_folder.Root);
        await Samples.StoreAsync(store, options, tokens);
        await Samples.StoreAsync(store, plain, others);
        DateTime[] lastUses = [.. Files().Select(file => file.LastWriteTimeUtc)];
        long before = store.Verify().Bytes;
        List<double> shares = [];

        DiskReport report = store.Recode(s_tiny, progress: new Reports(shares.Add));
        Assert.Equal((5, 4, before), (report.Files, report.Recoded, report.Bytes + report.Saved));
        Assert.InRange(report.Bytes, before * 55 / 100, before * 85 / 100);
        Assert.Contains("chooses from data", Assert.Single(report.Problems).Reason, StringComparison.Ordinal); // of 'q8', which has no frame
        Assert.Equal((5, 1.0), (shares.Count, shares[^1]));
        Assert.Equal(lastUses, Files().Select(file => file.LastWriteTimeUtc));
        DiskReport verified = store.Verify();
        Assert.Equal((5, report.Bytes, 0), (verified.Files, verified.Bytes, verified.Problems.Count));
        Assert.Equal((4 + (4 * 128), null), await Samples.RestoreAsync(store, options, tokens));
        Assert.Equal((4 + 128, null), await Samples.RestoreAsync(store, plain, others));

        // Twice is once.
        Assert.Equal(0, store.Recode(s_tiny).Recoded);
        Assert.Equal(0, store.Recode(LayerSpecs.FromText("quality")).Recoded);
    }

    [Fact]
    public async Task OnlyWhatWasNotUsedForAWhileIsCodedAgain()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[] tokens = Samples.Tokens(4 + (3 * 128) + 30, 1);
        var store = new DiskChunkStore(_folder.Root);
        await Samples.StoreAsync(store, options, tokens);
        foreach (FileInfo file in Files().Take(2))
            file.LastWriteTimeUtc = DateTime.UtcNow.AddDays(-10);
        Assert.Equal(0, store.Recode(LayerSpecs.FromText("turboquant:bits=2"), TimeSpan.FromDays(11)).Recoded);
        Assert.Equal(2, store.Recode(LayerSpecs.FromText("turboquant:bits=2"), TimeSpan.FromDays(9)).Recoded);
        Assert.Equal(0, store.Recode(LayerSpecs.FromText("turboquant:bits=1"), TimeSpan.MaxValue).Recoded);
    }

    [Fact]
    public async Task ChunksThatCannotBeCodedAgainStayWithTheReason()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced"));
        int[] tokens = Samples.Tokens(4 + (4 * 128) + 30, 1);
        ChunkKey[] keys = new ChunkPlan(options).KeysOf(tokens);
        var store = new DiskChunkStore(_folder.Root);
        await Samples.StoreAsync(store, options, tokens);
        string damaged = Files().Single(file => file.Name == keys[3] + ".chunk").FullName;
        byte[] bytes = await File.ReadAllBytesAsync(damaged);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(damaged, bytes);
        await store.RemoveAsync([keys[0]]);

        DiskReport report = store.Recode(s_tiny);
        Assert.Equal((3, 0, 0L), (report.Files, report.Recoded, report.Saved));
        Assert.Equal(["it is damaged or no chunk", "what comes before it is gone (and 1 others)"], report.Problems.Select(problem => problem.Reason).Order());
    }

    [Fact]
    public async Task DiskThatRefusesLeavesTheChunkAsItWas()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced"));
        int[] tokens = Samples.Tokens(4 + (2 * 128) + 30, 1);
        await Samples.StoreAsync(new DiskChunkStore(_folder.Root), options, tokens);
        byte[][] before = [.. Files().Select(file => File.ReadAllBytes(file.FullName))];
        const int enospc = 28;
        var full = new DiskChunkStore(_folder.Root, long.MaxValue, path => AtomicFile.Create(path, _ => enospc, _ => 0));
        Assert.Equal((0, "it cannot be written (and 1 others)"), (full.Recode(s_tiny).Recoded, full.Recode(s_tiny).Problems.Single().Reason));
        Assert.Equal(before, Files().Select(file => File.ReadAllBytes(file.FullName)));
        Assert.Equal(2, Directory.GetFiles(_folder.Root, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).Length);
    }

    [Fact]
    public async Task FullStoreKeepsMoreWhereItMayCodeAgain()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced"));
        int[][] sequences = [.. Enumerable.Range(0, 24).Select(seed => Samples.Tokens(4 + (2 * 128) + 60, seed))];
        await Samples.StoreAsync(new DiskChunkStore(_folder.File("one")), options, sequences[0]);
        long one = new DiskChunkStore(_folder.File("one")).Verify().Bytes, limit = 10 * one;
        DiskChunkStore forgets = Store("forgets", null), codes = Store("codes", s_tiny);
        foreach (int[] tokens in sequences)
        {
            foreach (DiskChunkStore store in (DiskChunkStore[])[forgets, codes])
            {
                await Samples.StoreAsync(store, options, tokens);
                Assert.InRange(store.Verify().Bytes, 1, limit);
            }

            await Task.Delay(5); // times of files are not finer than this everywhere
        }

        (int[] whole, int[] recoded) = await FoundAsync(codes);
        (int[] wholeOfOther, int[] recodedOfOther) = await FoundAsync(forgets);
        Assert.Empty(codes.Verify().Problems);
        Assert.All(recodedOfOther, count => Assert.Equal(0, count));
        Assert.InRange(whole.Sum(), (wholeOfOther.Sum() * 110 / 100) + 1, wholeOfOther.Sum() * 2);
        // What was stored last is as it was; of what is older nothing was forgotten that was not in fewer bits, so what is left from it is.
        Assert.Equal((260, 0), (whole[^1], recoded[^1]));
        int oldest = Array.FindIndex(whole, count => count > 0);
        Assert.True(oldest > 0 && recoded[oldest] == whole[oldest], $"{recoded[oldest]} of {whole[oldest]} tokens of sequence {oldest}");

        DiskChunkStore Store(string name, LayerSpecs? recodeTo) => new(_folder.File(name), limit, path => AtomicFile.Create(path), recodeTo, TimeSpan.FromMinutes(5));

        async Task<(int[] Found, int[] Recoded)> FoundAsync(DiskChunkStore store)
        {
            List<(int, int)> found = [];
            await using var prefixes = new PrefixStore(store, options);
            foreach (int[] tokens in sequences)
            {
                using StoredSequence restored = await prefixes.RestoreAsync(tokens);
                found.Add((restored.RestoredTokens, restored.RecodedTokens));
            }

            return ([.. found.Select(f => f.Item1)], [.. found.Select(f => f.Item2)]);
        }
    }

    [Fact]
    public async Task StoreWithoutPatienceForgetsInsteadAndKeepsItsLimit()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        await Samples.StoreAsync(new DiskChunkStore(_folder.File("one")), options, Samples.Tokens(4 + 128 + 60, 0));
        long limit = 3 * new DiskChunkStore(_folder.File("one")).Verify().Bytes;
        DiskChunkStore store = new(_folder.File("store"), limit, path => AtomicFile.Create(path), LayerSpecs.FromText("turboquant:bits=2"), TimeSpan.Zero);
        for (int seed = 0; seed < 8; seed++)
        {
            int[] tokens = Samples.Tokens(4 + 128 + 60, seed);
            await Samples.StoreAsync(store, options, tokens);
            Assert.InRange(store.Verify().Bytes, 1, limit);
            Assert.Equal((4 + 128, null), await Samples.RestoreAsync(store, options, tokens));
        }
    }

    private IEnumerable<FileInfo> Files() => Directory.GetFiles(_folder.Root, "*.chunk", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(path => new FileInfo(path));

    private sealed class Reports(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
