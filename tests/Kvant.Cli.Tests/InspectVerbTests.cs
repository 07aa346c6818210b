using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Conversations;
using Kvant.Conversations.Stores;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

/// <summary>inspect on a cache whose layers differ.</summary>
public sealed class InspectVerbTests : IDisposable
{
    private const int Tokens = 300;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task StoredChunksAreShown()
    {
        KvCacheOptions options = KvCacheOptions.Preset("balanced", new CacheGeometry { Layers = 2, KvHeads = 1, QueryHeads = 1, KeyDimension = 32, ValueDimension = 32 }) with { Sinks = 4, Window = 16, Identity = new() { Weights = "some weights" } };
        var store = new DiskChunkStore(_folder["store"]);
        int[] tokens = [.. Enumerable.Range(1000, 600)];
        await using (PrefixStore prefixes = new(store, new() { Cache = options }))
        {
            using KvCache cache = new(options);
            float[] rows = [.. Enumerable.Range(0, tokens.Length * 32).Select(i => MathF.Sin(i))];
            for (int layer = 0; layer < 2; layer++)
                cache.Append(layer, rows, rows);
            prefixes.Follow(cache).Store(tokens);
        }

        string[] files = [.. Directory.EnumerateFiles(store.Folder, "*", SearchOption.AllDirectories)];
        JsonElement[] chunks = [.. files.Select(file => ToolResult.JsonOf("inspect", file)).OrderBy(json => json.GetProperty("position").GetInt32())];
        Assert.Equal([0, 260], chunks.Select(json => json.GetProperty("position").GetInt32()));
        Assert.Equal(tokens[..516], chunks.SelectMany(json => json.GetProperty("tokenIds").EnumerateArray().Select(id => id.GetInt32())));
        Assert.Equal(["none", chunks[0].GetProperty("key").GetString()], chunks.Select(json => json.GetProperty("parent").GetString()));
        Assert.All(chunks, json => Assert.Contains("some weights", ToolResult.Of("inspect", json.GetProperty("file").GetString()!).Out, StringComparison.Ordinal));
        Assert.Equal(options.Policy[0].Keys.FullText, chunks[1].GetProperty("recipe").GetProperty("0-1.keys").GetString());

        byte[] damaged = File.ReadAllBytes(files[0]);
        damaged[^1] ^= 1;
        File.WriteAllBytes(_folder["damaged"], damaged);
        ToolResult refused = ToolResult.Of("inspect", _folder["damaged"]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("the chunk is damaged", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void LayersThatAreAlikeAreOneRow()
    {
        // Layers 0, 1, 3 and 6 see the newest 128 tokens, 2 all; 4 has one latent head, 5 reads what 2 stores.
        CacheGeometry geometry = new CacheGeometry { Layers = 7, KvHeads = 2, QueryHeads = 4, KeyDimension = 64, ValueDimension = 64 }.WithLayers((layer, shape) => layer switch
        {
            2 => shape,
            4 => shape with { KvHeads = 1, KeyDimension = 96, ValueDimension = 32, ValuesInKeys = true },
            5 => shape with { SharedLayer = 2 },
            _ => shape with { SlidingWindow = 128 },
        });
        Save(geometry, layer => layer == 6 ? "q8" : "turboquant:bits=4");

        JsonElement json = ToolResult.JsonOf("inspect", _folder["cache.kvant"]);
        JsonElement[] groups = [.. json.GetProperty("layerGroups").EnumerateArray()];
        Assert.Equal(["[0,1,3]", "[2]", "[4]", "[5]", "[6]"], groups.Select(g => string.Concat(g.GetProperty("layers").GetRawText().Where(c => !char.IsWhiteSpace(c)))));
        Assert.Equal([128, 0, 0, 0, 128], groups.Select(g => g.GetProperty("slidingWindow").GetInt32()));
        Assert.Equal([2, 2, 1, 2, 2], groups.Select(g => g.GetProperty("kvHeads").GetInt32()));
        Assert.Equal([64, 64, 96, 64, 64], groups.Select(g => g.GetProperty("keyDimension").GetInt32()));
        Assert.Equal([false, false, true, false, false], groups.Select(g => g.GetProperty("valuesInKeys").GetBoolean()));
        Assert.Equal(2, groups[3].GetProperty("sharedLayer").GetInt32());
        Assert.Equal(JsonValueKind.Null, groups[0].GetProperty("sharedLayer").ValueKind);
        Assert.Equal(0, groups[3].GetProperty("bytes").GetInt64());
        foreach (string field in (string[])["bytes", "fp16Bytes", "liveRows"])
            Assert.Equal(json.GetProperty(field).GetInt64(), groups.Sum(g => g.GetProperty(field).GetInt64()));

        string text = ToolResult.Of("inspect", _folder["cache.kvant"]).Out;
        foreach (string words in (string[])["0 to 1, 3 ", "newest 128", "in the keys", "those of layer 2", "turboquant:bits=4", "q8", " 96 "])
            Assert.Contains(words, text, StringComparison.Ordinal);
        Assert.DoesNotContain(text.Split('\n'), line => line.StartsWith("kv heads", StringComparison.Ordinal)); // of none in particular
    }

    [Fact]
    public void LayersThatAreAllAlikeNeedNoTable()
    {
        Save(new CacheGeometry { Layers = 3, KvHeads = 2, KeyDimension = 64, ValueDimension = 64 }, _ => "turboquant:bits=4");
        JsonElement group = Assert.Single(ToolResult.JsonOf("inspect", _folder["cache.kvant"]).GetProperty("layerGroups").EnumerateArray());
        Assert.Equal(3, group.GetProperty("layers").GetArrayLength());
        string[] lines = ToolResult.Of("inspect", _folder["cache.kvant"]).Out.Split('\n');
        Assert.Contains(lines, line => line.StartsWith("codecs ", StringComparison.Ordinal) && line.Contains("keys turboquant:bits=4, values turboquant:bits=4", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("kv heads ", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("sees", StringComparison.Ordinal));
    }

    private void Save(CacheGeometry geometry, Func<int, string> codec)
    {
        using var cache = new KvCache(new KvCacheOptions
        {
            Geometry = geometry,
            Policy = new LayerPolicy(Enumerable.Range(0, geometry.Layers).Select(layer => LayerSpecs.Both(CodecSpec.Parse(codec(layer))))),
        });
        float[] rows = [.. Enumerable.Range(0, Tokens * 2 * 96).Select(i => MathF.Sin(i))];
        foreach (int layer in geometry.OwnLayers)
        {
            LayerGeometry shape = geometry[layer];
            cache.Append(layer, rows.AsSpan(0, Tokens * shape.KvHeads * shape.KeyDimension), shape.ValuesInKeys ? [] : rows.AsSpan(0, Tokens * shape.KvHeads * shape.ValueDimension));
        }

        cache.Save(_folder["cache.kvant"]);
    }
}
