using System.Text.Json;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Tests;

/// <summary>store verify and store gc.</summary>
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
    public void FolderThatIsNotThereIsNotMade()
    {
        ToolResult result = ToolResult.Of("store", "gc", _folder["none"]);
        Assert.Equal(1, result.ExitCode);
        Assert.False(Directory.Exists(_folder["none"]));
    }
}
