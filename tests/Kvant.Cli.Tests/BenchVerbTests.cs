using System.Text.Json;
using Kvant.Caching;

namespace Kvant.Cli.Tests;

public sealed class BenchVerbTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AttentionJsonHasTheNamedFields(bool exact)
    {
        JsonElement[] rows = [.. ToolResult.JsonOf([
            "bench", "attention", "--codec", "turboquant:bits=4", "--codec", "fp32", "--tokens", "64,200", "--seconds", "0.02", .. exact ? (string[])["--exact"] : []]).EnumerateArray()];
        Assert.Equal(["plain fp32", "turboquant:bits=4", "fp32", "plain fp32", "turboquant:bits=4", "fp32"], rows.Select(r => r.GetProperty("codec").GetString()));
        Assert.Equal([64, 64, 64, 200, 200, 200], rows.Select(r => r.GetProperty("tokens").GetInt32()));
        foreach (JsonElement row in rows)
        {
            Assert.Equal(
                ["codec", "tokens", "threads", "cold", "nsPerTokenHead", "millionPerSecond", "compressedGBps", "ratioToFp32", "ratioToRead", "outputError"],
                row.EnumerateObject().Select(p => p.Name));
            Assert.Equal(1, row.GetProperty("threads").GetInt32());
            Assert.False(row.GetProperty("cold").GetBoolean());
            Assert.All(row.EnumerateObject().Where(p => p.Name is not "codec" and not "cold"), p => Assert.Equal(JsonValueKind.Number, p.Value.ValueKind));
            Assert.Equal(1e3, row.GetProperty("nsPerTokenHead").GetDouble() * row.GetProperty("millionPerSecond").GetDouble(), 1e-6);
        }

        Assert.Equal(1, rows[0].GetProperty("ratioToFp32").GetDouble());
        Assert.InRange(rows[4].GetProperty("outputError").GetDouble(), .05, .25);
        Assert.InRange(rows[5].GetProperty("outputError").GetDouble(), 0, 1e-5);
    }

    [Fact]
    public void AttentionTableNamesTheMachine()
    {
        string[] lines = ToolResult.Of("bench", "attention", "--codec", "fp16", "--tokens", "64", "--seconds", "0.02", "--kv-heads", "1", "--threads", "2").Out.TrimEnd().Split('\n');
        Assert.Contains("-bit registers", lines[0], StringComparison.Ordinal);
        Assert.Contains("hot, 2 threads", lines[1], StringComparison.Ordinal);
        Assert.Contains("x fp32", lines[2], StringComparison.Ordinal);
        Assert.Equal(6, lines.Length);
    }

    [Fact]
    public void EncodeJsonHasTheNamedFields()
    {
        JsonElement row = Assert.Single(ToolResult.JsonOf("bench", "encode", "--codec", "turboquant:bits=3", "--appends", "100", "--seconds", "0.02").EnumerateArray());
        Assert.Equal(
            ["codec", "dimension", "nsPerRow", "millionPerSecond", "ratioToCopy", "ratioToRotation", "nmse", "appendMicroseconds", "closingAppendMicroseconds", "slowestAppendMicroseconds", "allocatedPerAppend"],
            row.EnumerateObject().Select(p => p.Name));
        Assert.InRange(row.GetProperty("nmse").GetDouble(), .032, .036); // the optimum is .033966
        Assert.True(row.GetProperty("slowestAppendMicroseconds").GetDouble() >= row.GetProperty("appendMicroseconds").GetDouble());
        Assert.InRange(row.GetProperty("closingAppendMicroseconds").GetDouble(), 0, row.GetProperty("slowestAppendMicroseconds").GetDouble());
        Assert.Equal(0, row.GetProperty("allocatedPerAppend").GetDouble());
    }

    [Fact]
    public void PrefillJsonHasTheNamedFields()
    {
        JsonElement[] rows = [.. ToolResult.JsonOf("bench", "prefill", "--tokens", "400", "--chunk", "64", "--kv-heads", "2", "--seconds", "0.02").EnumerateArray()];
        Assert.Equal(["fp32", "turboquant:bits=4", CachePreset.Default.Name], rows.Select(r => r.GetProperty("codec").GetString()));
        Assert.Equal(["codec", "tokens", "chunk", "threads", "tokensPerSecond", "ratioToFp32", "outputError"], rows[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal(1, rows[0].GetProperty("ratioToFp32").GetDouble());
        Assert.Equal(0, rows[0].GetProperty("outputError").GetDouble());
        Assert.All(rows[1..], r => Assert.InRange(r.GetProperty("outputError").GetDouble(), .01, .25)); // some of their tokens are still in the window
    }

    [Fact]
    public void DecodeJsonHasTheNamedFields()
    {
        // A model that is measured in a moment.
        JsonElement[] rows = [.. ToolResult.JsonOf(
            "bench", "decode", "--layers", "2", "--kv-heads", "2", "--dimension", "64", "--width", "64", "--feed-forward", "64", "--tokens", "600", "--seconds", "0.05",
            "--codec", "turboquant:bits=4", "--codec", "fp16", "--policy", "balanced", "--threads", "2", "--copy-weights").EnumerateArray()];
        Assert.Equal(["fp32", "turboquant:bits=4", "fp16", "balanced"], rows.Select(r => r.GetProperty("codec").GetString()));
        Assert.Equal(
            ["codec", "tokens", "threads", "cacheBytes", "tokensPerSecond", "attentionMilliseconds", "restMilliseconds", "attentionRatioToFp32", "ratioToFp32", "outputError"],
            rows[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal((1, 1, 0), (rows[0].GetProperty("attentionRatioToFp32").GetDouble(), rows[0].GetProperty("ratioToFp32").GetDouble(), rows[0].GetProperty("outputError").GetDouble()));
        Assert.InRange(rows[1].GetProperty("outputError").GetDouble(), .01, .25); // some of its tokens are still in the window
        Assert.InRange(rows[2].GetProperty("outputError").GetDouble(), 1e-5, 1e-3);
        Assert.All(rows, r => Assert.Equal(1e3 / r.GetProperty("tokensPerSecond").GetDouble(), r.GetProperty("attentionMilliseconds").GetDouble() + r.GetProperty("restMilliseconds").GetDouble(), 1e-9));
    }

    [Fact]
    public void DecodeOfAPromptHasItsSpeedToo()
    {
        JsonElement[] rows = [.. ToolResult.JsonOf(
            "bench", "decode", "--layers", "1", "--kv-heads", "1", "--dimension", "64", "--width", "64", "--feed-forward", "64", "--tokens", "60", "--prompt", "600", "--seconds", "0.05",
            "--policy", "balanced", "--threads", "2").EnumerateArray()];
        Assert.Equal(1, rows[0].GetProperty("promptRatioToFp32").GetDouble());
        Assert.All(rows, r => Assert.Equal(r.GetProperty("promptTokensPerSecond").GetDouble(), rows[0].GetProperty("promptTokensPerSecond").GetDouble() * r.GetProperty("promptRatioToFp32").GetDouble(), 1e-6));
    }

    [Fact]
    public void DecodeLeavesNoModelBehind()
    {
        string[] before = Directory.GetDirectories(Path.GetTempPath(), "kvant-bench-*");
        ToolResult.Of("bench", "decode", "--width", "33").AssertFailed(1, "33", "multiple of 32");
        Assert.Empty(Directory.GetDirectories(Path.GetTempPath(), "kvant-bench-*").Except(before));
    }

    [Fact]
    public void GroupAloneShowsItsCommands()
    {
        ToolResult result = ToolResult.Of("bench");
        Assert.Equal(0, result.ExitCode);
        foreach (string verb in (string[])["attention", "encode", "prefill", "decode"])
            Assert.Matches($@"\n  {verb}\b", result.Out);
        ToolResult.Of("bench", "nonsense").AssertFailed(2, "'nonsense'", "attention, encode, prefill, decode", "kvant bench --help");
    }

    [Theory]
    [InlineData("attention", "--tokens", "64,", "found ''")]
    [InlineData("attention", "--tokens", "0", "from 1")]
    [InlineData("attention", "--seconds", "0", "above 0")]
    [InlineData("attention", "--seconds", "NaN", "'NaN'")]
    [InlineData("attention", "--threads", "0", "from 1")]
    [InlineData("encode", "--appends", "-1", "from 1")]
    [InlineData("prefill", "--codec", "nonsense", "Known: fp32")]
    public void WrongValueIsWrongUsage(string verb, string option, string value, string words) =>
        ToolResult.Of("bench", verb, option, value).AssertFailed(2, words, $"kvant bench {verb} --help");

    [Theory]
    [InlineData("attention")]
    [InlineData("encode")]
    [InlineData("prefill")]
    [InlineData("decode")]
    public void DimensionThatACodecDoesNotTakeFails(string verb) =>
        ToolResult.Of("bench", verb, "--dimension", "50", "--codec", "q8_0").AssertFailed(1, "50", "32");

    [Fact]
    public void PromptThatDoesNotFitAnArrayIsRefused() =>
        ToolResult.Of("bench", "prefill", "--tokens", "131072", "--kv-heads", "1024").AssertFailed(2, "too long");
}
