using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Conversations.Tests.Chunks;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>Golden chunks that were coded again once: this release codes and reads them the same. What is there never changes.</summary>
public sealed class RecodedGoldenTests
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "Golden");

    [Fact]
    public void ChunksThatAreCodedAgainAreThoseThatWereOnce()
    {
        ChunkPlan plan = new(GoldenTests.Case("learnt").Options);
        ChunkForm form = new(plan, [LayerSpecs.Parse("turboquant:bits=4", "turboquant:bits=2"), LayerSpecs.Parse("turboquant:bits=3,frame=balanced", "turboquant:bits=2")]);
        byte[] first = File.ReadAllBytes(Directory.GetFiles(s_folder, "learnt-0-*").Single());
        List<string> others = [];
        foreach (string file in Directory.GetFiles(s_folder, "learnt-*").Order(StringComparer.Ordinal))
        {
            byte[] value = File.ReadAllBytes(file);
            byte[] found = ChunkRecoding.Run(plan, Read(plan, value), value, new SequenceCodecs(plan, Read(plan, first), first), form);
            string golden = file.Replace("learnt-", "recoded-", StringComparison.Ordinal);
            if (File.Exists(golden) && found.AsSpan().SequenceEqual(File.ReadAllBytes(golden)))
                continue;
            others.Add(Path.Combine(Path.GetTempPath(), Path.GetFileName(golden)));
            File.WriteAllBytes(others[^1], found);
        }

        Assert.True(others.Count == 0, $"Chunks that are coded again are others than Golden has; they lie in {string.Join(" and ", others)}.");
    }

    [Fact]
    public async Task ChunksThatWereCodedAgainOnceAreRestored()
    {
        (PrefixOptions options, int[] tokens) = GoldenTests.Case("learnt");
        var store = new MemoryChunkStore(1 << 20);
        foreach (string file in Directory.GetFiles(s_folder, "recoded-*"))
            await store.PutAsync([GoldenTests.KeyOf(file)], [await File.ReadAllBytesAsync(file)]);
        await using var prefixes = new PrefixStore(store, options);
        using StoredSequence restored = await prefixes.RestoreAsync(tokens);
        Assert.Equal((4 + 256, 4 + 256), (restored.RestoredTokens, restored.RecodedTokens));
    }

    private static ChunkHeader Read(ChunkPlan plan, byte[] value)
    {
        Assert.Null(ChunkHeader.Read(value, out ChunkHeader? header));
        header!.Form = plan.FormOf(header.Recipe);
        return header;
    }
}
