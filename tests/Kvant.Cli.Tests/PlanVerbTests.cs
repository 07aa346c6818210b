using System.Globalization;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

public sealed class PlanVerbTests
{
    [Theory]
    [InlineData("turboquant:bits=4", "turboquant:bits=3", 64, 4, 48, 300)]
    [InlineData("kivi:bits=4", "q8_0", 0, 0, 1, 257)]
    [InlineData("fp32", "fp16", 1000, 8, 0, 70)]
    [InlineData("outlier:bits=2", "outlier:bits=2", 16, 4, 0, 200)]
    public void NumbersAreThoseOfACacheWithAsManyTokens(string keys, string values, int window, int sinks, int drafts, int tokens)
    {
        JsonElement row = Assert.Single(ToolResult.JsonOf(
            "plan", "--layers", "2", "--kv-heads", "3", "--dimension", "64", "--value-dimension", "96", "--keys", keys, "--values", values,
            "--context", Text(tokens), "--window", Text(window), "--sinks", Text(sinks), "--drafts", Text(drafts)).EnumerateArray());
        using var cache = new KvCache(new KvCacheOptions
        {
            Geometry = new() { Layers = 2, KvHeads = 3, KeyDimension = 64, ValueDimension = 96 },
            Policy = LayerPolicy.Uniform(2, CodecSpec.Parse(keys), CodecSpec.Parse(values)),
            Window = window,
            Sinks = sinks,
            DraftTokens = drafts,
        });
        float[] rows = [.. Enumerable.Range(0, tokens * 3 * 96).Select(i => MathF.Sin(i))];
        for (int layer = 0; layer < 2; layer++)
            cache.Append(layer, rows.AsSpan(0, tokens * 3 * 64), rows);
        CacheStatistics statistics = cache.Statistics;
        Assert.Equal(["policy", "keys", "values", "bytesPerToken", "totalBytes", "ratio", "bitsPerValue"], row.EnumerateObject().Select(p => p.Name));
        Assert.Equal(statistics.TotalBytes, row.GetProperty("totalBytes").GetInt64());
        Assert.Equal((double)statistics.TotalBytes / tokens, row.GetProperty("bytesPerToken").GetDouble());
        Assert.Equal(statistics.CompressionRatio, row.GetProperty("ratio").GetDouble());
        Assert.Equal(statistics.BitsPerValue, row.GetProperty("bitsPerValue").GetDouble());
    }

    [Fact]
    public void ModelSaysTheShape()
    {
        JsonElement[] all = [.. ToolResult.JsonOf("plan", "--model", TempFolder.Model, "--context", "4096").EnumerateArray()];
        Assert.Equal(
            all.Select(r => r.ToString()),
            ToolResult.JsonOf("plan", "--layers", "4", "--kv-heads", "2", "--dimension", "64", "--context", "4096").EnumerateArray().Select(r => r.ToString()));
        ToolResult.Of("plan", "--model", TempFolder.Model, "--kv-heads", "2").AssertFailed(2, "--model says the shape", "--kv-heads");
    }

    [Fact]
    public void PolicyServesModelsThatStoreTheSameRows()
    {
        using var folder = new TempFolder();
        string windowed = Save("windowed.json", shape => shape with { SlidingWindow = 512, QueryHeads = 8 }), other = Save("other.json", shape => shape with { KvHeads = 1, QueryHeads = 2 });
        string[] plan = ["plan", "--model", TempFolder.Model, "--context", "1000", "--json"];
        Assert.Equal("windowed", ToolResult.JsonOf([.. plan[..^1], "--policy", windowed])[0].GetProperty("policy").GetString());
        ToolResult.Of([.. plan, "--policy", other]).AssertFailed(1, "4 layers of 2 heads with 64 and 64 numbers, some of which differ");

        string Save(string name, Func<LayerGeometry, LayerGeometry> change)
        {
            CacheGeometry geometry = new() { Layers = 4, KvHeads = 2, QueryHeads = 4, KeyDimension = 64, ValueDimension = 64 };
            CachePolicyFile.Save(folder[name], new CachePolicy
            {
                Geometry = geometry.WithLayers((layer, shape) => layer == 1 ? change(shape) : shape),
                Layers = LayerPolicy.Uniform(4, CodecSpec.Parse("q8"), CodecSpec.Parse("q8")),
                Sinks = 4,
                Window = 64,
            });
            return folder[name];
        }
    }

    [Fact]
    public void LongestContextFitsAndOneTokenMoreDoesNot()
    {
        string[] model = ["plan", "--layers", "2", "--kv-heads", "2", "--dimension", "64", "--codec", "turboquant:bits=4"];
        const long memory = 1_500_000;
        int longest = ToolResult.JsonOf([.. model, "--memory", "1.5MB"])[0].GetProperty("longestContext").GetInt32();
        Assert.True(TotalBytes(longest) <= memory);
        Assert.True(TotalBytes(longest + 1) > memory);

        long TotalBytes(int context) => ToolResult.JsonOf([.. model, "--context", Text(context)])[0].GetProperty("totalBytes").GetInt64();
    }

    [Fact]
    public void TooLittleMemoryForATokenIsAContextOfNone() =>
        Assert.Equal(0, ToolResult.JsonOf("plan", "--codec", "fp16", "--memory", "1KiB")[0].GetProperty("longestContext").GetInt32());

    [Fact]
    public void DefaultsAreTheComparisonsPairsFromManyBytesToFew()
    {
        JsonElement[] all = [.. ToolResult.JsonOf("plan").EnumerateArray()];
        Assert.Contains(all, r => r.GetProperty("keys").GetString() == "turboquant:bits=4");
        Assert.Equal(CachePreset.All.Select(p => p.Name), all.Select(r => r.GetProperty("policy").GetString()).Where(name => name is not null));
        Assert.Equal(all.Select(r => r.GetProperty("totalBytes").GetInt64()).OrderDescending(), all.Select(r => r.GetProperty("totalBytes").GetInt64()));
        // q8_0 wants a multiple of 32.
        Assert.DoesNotContain(ToolResult.JsonOf("plan", "--dimension", "50").EnumerateArray(), r => r.GetProperty("keys").GetString() == "q8_0");
    }

    [Fact]
    public void TableHasALinePerCodec()
    {
        string[] lines = ToolResult.Of("plan", "--codec", "fp16", "--codec", "q8_0", "--memory", "8GiB").Out.TrimEnd().Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Contains("longest context", lines[0], StringComparison.Ordinal);
        Assert.Contains("GiB", lines[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--memory", "8", "8GiB")]
    [InlineData("--memory", "-1GB", "8GiB")]
    [InlineData("--memory", "999999999TiB", "8GiB")]
    [InlineData("--context", "0", "1 or more")]
    [InlineData("--layers", "0", "from 1 to 4096")]
    [InlineData("--value-dimension", "0", "from 1")]
    [InlineData("--codec", "nonsense", "Known: fp32")]
    public void WrongValueIsWrongUsage(string option, string value, string words) =>
        ToolResult.Of("plan", option, value).AssertFailed(2, words, "kvant plan --help");

    [Fact]
    public void KeysWithoutTheirValuesAreWrongUsage() =>
        ToolResult.Of("plan", "--keys", "fp16").AssertFailed(2, "1 --keys and 0 --values");

    [Fact]
    public void DimensionThatACodecDoesNotTakeFails() => ToolResult.Of("plan", "--dimension", "50", "--codec", "q8_0").AssertFailed(1, "50", "32");

    [Fact]
    public void BytesBeyondA64BitNumberFailWithWordsOfThePlan()
    {
        string[] model = ["plan", "--layers", "4096", "--kv-heads", "4096", "--dimension", "4096", "--codec", "q8"];
        ToolResult.Of([.. model, "--context", "2147483647"]).AssertFailed(1, "more bytes than a 64-bit number counts", "take fewer layers, heads, numbers or tokens");
        // The search for the longest context meets such numbers, whatever the memory.
        Assert.InRange(ToolResult.JsonOf([.. model, "--memory", "9000TiB"])[0].GetProperty("longestContext").GetInt32(), 1, 131072);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
