using System.Text.Json;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Tests;

/// <summary>store verify, store gc and store recode.</summary>
public sealed class StoreVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task DamagedChunksAreNamedAndRemoved()
    {
        var store = new DiskChunkStore(_folder["store"]);
        JsonElement empty = ToolResult.JsonOf("store", "verify", store.Folder);
        Assert.Equal((0, 0), (empty.GetProperty("files").GetInt32(), empty.GetProperty("problems").GetArrayLength()));
        byte[] bytes = new byte[ChunkKey.ByteLength];
        bytes[0] = 7;
        await store.PutAsync([new ChunkKey(bytes)], [new byte[100]]);

        ToolResult verify = ToolResult.Of("store", "verify", store.Folder);
        Assert.Equal(1, verify.ExitCode);
        Assert.Contains("it is damaged or no chunk", verify.Out, StringComparison.Ordinal);
        Assert.Contains("1 of 1 files are no whole chunks", verify.Error, StringComparison.Ordinal);

        JsonElement gc = ToolResult.JsonOf("store", "gc", store.Folder);
        Assert.Equal((0, 1), (gc.GetProperty("files").GetInt32(), gc.GetProperty("problems").GetArrayLength()));
        Assert.Equal((bool[])[false], await store.ContainsAsync([new ChunkKey(bytes)]));
    }

    [Fact]
    public async Task StoredSequencesAreCodedAgainAndFound()
    {
        int[] tokens = [.. Enumerable.Range(0, 700)];
        PrefixOptions options = new()
        {
            Cache = KvCacheOptions.Preset("balanced", new() { Layers = 1, KvHeads = 1, KeyDimension = 64, ValueDimension = 64 }) with { Identity = new() { Weights = "w" } },
            ChunkTokens = 128,
        };
        await using var prefixes = new PrefixStore(new DiskChunkStore(_folder["store"]), options);
        using (var cache = new KvCache(options.Cache))
        {
            var random = new Random(1);
            float[] rows = [.. Enumerable.Range(0, 700 * 64).Select(_ => random.NextSingle() - .5f)];
            cache.Append(0, rows, rows);
            using StoredSequence sequence = prefixes.Follow(cache);
            sequence.Store(tokens);
            await prefixes.FlushAsync();
        }

        ToolResult wanting = ToolResult.Of("store", "recode", _folder["store"], "--policy", "minute");
        Assert.NotEqual(0, wanting.ExitCode);
        Assert.Contains("'minute'", wanting.Error, StringComparison.Ordinal);
        ToolResult misfit = ToolResult.Of("store", "recode", _folder["store"], "--policy", "turboquant:bits=1,mean=head");
        Assert.Equal(1, misfit.ExitCode);
        Assert.Contains("chooses from data", misfit.Error, StringComparison.Ordinal);

        Assert.Equal(0, ToolResult.JsonOf("store", "recode", _folder["store"], "--policy", "tiny", "--unused", "1").GetProperty("recoded").GetInt32());
        JsonElement coded = ToolResult.JsonOf("store", "recode", _folder["store"], "--policy", "tiny");
        Assert.Equal((3, 3, 0), (coded.GetProperty("files").GetInt32(), coded.GetProperty("recoded").GetInt32(), coded.GetProperty("problems").GetArrayLength()));
        Assert.InRange(coded.GetProperty("bytes").GetInt64(), 1, coded.GetProperty("bytesBefore").GetInt64() * 9 / 10); // the sinks stay
        ToolResult.Of("store", "verify", _folder["store"]).AssertSucceeded();
        using StoredSequence restored = await prefixes.RestoreAsync(tokens);
        Assert.Equal((64 + (3 * 128), 64 + (3 * 128)), (restored.RestoredTokens, restored.RecodedTokens));
    }

    [Fact]
    public void FolderThatIsNotThereIsNotMade()
    {
        ToolResult result = ToolResult.Of("store", "gc", _folder["none"]);
        Assert.Equal(1, result.ExitCode);
        Assert.False(Directory.Exists(_folder["none"]));
    }
}
