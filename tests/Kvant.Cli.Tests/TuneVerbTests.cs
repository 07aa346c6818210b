using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

public sealed class TuneVerbTests : IDisposable
{
    private static readonly string[] s_short =
    [
        "--context", "128", "--chunks", "1", "--held-out", "2", "--keys", "turboquant:bits=2", "--keys", "turboquant:bits=4",
        "--values", "turboquant:bits=2", "--values", "turboquant:bits=4", "--threads", "2", "--window", "16",
    ];

    private static readonly string s_trace = Path.Combine(AppContext.BaseDirectory, "data", "mini-trace.safetensors");

    private static readonly string s_bias = Path.Combine(AppContext.BaseDirectory, "data", "mini-bias.gguf");

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void PolicyIsWrittenAndOtherCommandsTakeIt()
    {
        JsonElement rows = ToolResult.JsonOf(["tune", "--bits-per-value", "3.25", "-o", _folder["p.json"], .. s_short]);
        Assert.Equal("chosen", rows[0].GetProperty("policy").GetString());
        Assert.InRange(rows[0].GetProperty("bodyBitsPerValue").GetDouble(), 2.25, 3.25);
        Assert.Equal(4, rows[0].GetProperty("layers").GetArrayLength());
        Assert.Equal(["p.json"], _folder.Names);

        JsonElement row = ToolResult.JsonOf("evaluate", "--policy", _folder["p.json"], "--context", "128", "--chunks", "1")[0];
        Assert.Equal("p", row.GetProperty("policy").GetString());
        Assert.Equal(rows[0].GetProperty("bodyBitsPerValue").GetDouble(), row.GetProperty("bodyBitsPerValue").GetDouble(), 9);
        Assert.Equal(_folder["p.json"], ToolResult.JsonOf("generate", "--prompt", "It was", "--tokens", "3", "--policy", _folder["p.json"]).GetProperty("policy").GetString());
        JsonElement planned = Assert.Single(ToolResult.JsonOf("plan", "--layers", "4", "--kv-heads", "2", "--dimension", "64", "--policy", _folder["p.json"]).EnumerateArray());
        Assert.Equal(planned.ToString(), Assert.Single(ToolResult.JsonOf("plan", "--model", TempFolder.Model, "--policy", _folder["p.json"]).EnumerateArray()).ToString());
        // It was chosen with a window of 16; a larger one takes more.
        Assert.True(planned.GetProperty("totalBytes").GetInt64() < ToolResult.JsonOf("plan", "--model", TempFolder.Model, "--policy", _folder["p.json"], "--window", "64")[0].GetProperty("totalBytes").GetInt64());

        ToolResult.Of("evaluate", "--model", s_bias, "--policy", _folder["p.json"]).AssertFailed(1, "another model", "tune again");
        ToolResult.Of("plan", "--model", s_bias, "--policy", _folder["p.json"]).AssertFailed(1, "another model", "tune again");
        ToolResult.Of("plan", "--policy", _folder["p.json"]).AssertFailed(1, "4 layers of 2 heads");
    }

    [Fact]
    public void PolicyOfATraceServesTheModelThatWasRecorded()
    {
        string[] candidates = ["--bits-per-value", "3.25", "--keys", "turboquant:bits=2", "--keys", "turboquant:bits=4", "--values", "turboquant:bits=2", "--values", "turboquant:bits=4"];
        ToolResult.Of("trace", "-o", _folder["t"], "--tokens", "160").AssertSucceeded();
        ToolResult.Of(["tune", _folder["t"], .. candidates]).AssertFailed(1, "of 160 tokens none is compressed", "64 sinks and a window of 128");
        candidates = [.. candidates, "--window", "16"];
        ToolResult.Of(["tune", _folder["t"], "-o", _folder["p.json"], .. candidates]).AssertSucceeded();
        string[] use = ["--policy", _folder["p.json"], "--context", "128", "--chunks", "1"];
        JsonElement onModel = Assert.Single(ToolResult.JsonOf(["evaluate", .. use]).EnumerateArray()), onTrace = Assert.Single(ToolResult.JsonOf("evaluate", _folder["t"], "--policy", _folder["p.json"]).EnumerateArray());
        Assert.Equal((onModel.GetProperty("keys").GetString(), onModel.GetProperty("values").GetString()), (onTrace.GetProperty("keys").GetString(), onTrace.GetProperty("values").GetString()));
        Assert.Contains(" | ", onTrace.GetProperty("keys").GetString() + onTrace.GetProperty("values").GetString(), StringComparison.Ordinal);
        Assert.Equal("p", onTrace.GetProperty("policy").GetString());
        ToolResult.Of(["evaluate", "--model", s_bias, .. use]).AssertFailed(1, "another model", "tune again");
        ToolResult.Of("trace", "--model", s_bias, "-o", _folder["other"], "--tokens", "160").AssertSucceeded();
        ToolResult.Of("evaluate", _folder["other"], "--policy", _folder["p.json"]).AssertFailed(1, "another model");

        // The trace that ships does not say which model it is of: what is chosen on it serves any of the shape.
        ToolResult.Of(["tune", s_trace, "-o", _folder["q.json"], .. candidates]).AssertSucceeded();
        Assert.Equal(0, ToolResult.Of("generate", "--prompt", "It was", "--tokens", "3", "--policy", _folder["q.json"]).ExitCode);
    }

    [Fact]
    public void CommandsOfOneLayerTakeALayerOfAPolicyAfterTheOther()
    {
        CodecSpec two = CodecSpec.Parse("turboquant:bits=2"), four = CodecSpec.Parse("turboquant:bits=4");
        CachePolicyFile.Save(_folder["p.json"], new CachePolicy
        {
            Geometry = new() { Layers = 3, KvHeads = 1, KeyDimension = 64, ValueDimension = 64 },
            Layers = new LayerPolicy([new(four, two), new(four, two), new(two, two)]),
            Sinks = 0,
            Window = 0,
        });
        string[] bench = ["--dimension", "64", "--kv-heads", "1", "--seconds", "0.01", "--policy", _folder["p.json"], "--policy", "tiny"];
        string?[] wanted = ["p, layer 0", "p, layer 2", "tiny"];
        foreach (string[] verb in (string[][])[["attention", "--tokens", "128"], ["encode", "--appends", "64"], ["prefill", "--tokens", "64"]])
            Assert.Equal(wanted, ToolResult.JsonOf(["bench", .. verb, .. bench]).EnumerateArray().Select(r => r.GetProperty("codec").GetString()).TakeLast(3));
        Assert.Equal(
            ["p, layer 0, keys", "p, layer 0, values", "p, layer 2", "tiny, keys", "tiny, values"],
            ToolResult.JsonOf("measure", "--rows", "256", "--dimension", "64", "--policy", _folder["p.json"], "--policy", "tiny").EnumerateArray().Select(r => r.GetProperty("policy").GetString()));
        ToolResult.Of("bench", "attention", "--policy", _folder["p.json"]).AssertFailed(1, "keys of 64", "here are 128");
        ToolResult.Of("measure", "--policy", "balanced", "--codec", "q8", "--output", _folder["x.npy"]).AssertFailed(2, "1 --codec and 1 --policy");
    }

    [Fact]
    public void PresetsAreTaken()
    {
        JsonElement rows = ToolResult.JsonOf("evaluate", "--policy", "balanced", "--policy", "tiny", "--context", "256", "--chunks", "1");
        Assert.Equal(["tiny", "balanced"], rows.EnumerateArray().Select(r => r.GetProperty("policy").GetString()));
        ToolResult.Of("generate", "--prompt", "It was", "--policy", "none.json").AssertFailed(2, "none.json", "quality, balanced, small, tiny");
        ToolResult.Of("generate", "--prompt", "It was", "--policy", "tiny", "--codec", "fp16").AssertFailed(2, "--policy", "--codec");
    }

    [Fact]
    public void OneBudgetIsWanted()
    {
        ToolResult.Of("tune").AssertFailed(2, "one budget is wanted, 0 found");
        ToolResult.Of("tune", "--bits-per-value", "3", "--max-divergence", "0.001").AssertFailed(2, "2 found");
        ToolResult.Of("tune", "--bits-per-value", "0").AssertFailed(2, "--bits-per-value", "above 0");
        ToolResult.Of(["tune", "--bits-per-value", "1", "-o", _folder["p.json"], .. s_short]).AssertFailed(1, "the smallest policy of these candidates takes 2.25");
        Assert.DoesNotContain("p.json", _folder.Names);
    }

    [Fact]
    public void TraceIsTunedWithoutAModel()
    {
        ToolResult result = ToolResult.Of("tune", s_trace, "--bytes-per-token", "450", "--keys", "turboquant:bits=2", "--keys", "turboquant:bits=4", "--values", "turboquant:bits=2");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains("not verified", result.Out, StringComparison.Ordinal);
        ToolResult.Of("tune", s_trace, "--bits-per-value", "3", "--text", "x.txt").AssertFailed(2, "--text", "model");
    }
}
