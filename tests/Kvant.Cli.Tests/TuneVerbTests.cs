using System.Text.Json;

namespace Kvant.Cli.Tests;

public sealed class TuneVerbTests : IDisposable
{
    private static readonly string[] s_short =
    [
        "--context", "128", "--chunks", "1", "--held-out", "2", "--keys", "turboquant:bits=2", "--keys", "turboquant:bits=4",
        "--values", "turboquant:bits=2", "--values", "turboquant:bits=4", "--threads", "2", "--window", "16",
    ];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void PolicyIsWrittenAndOtherCommandsTakeIt()
    {
        JsonElement rows = ToolResult.JsonOf(["tune", "--bits-per-value", "3.25", "-o", _folder["p.json"], .. s_short]);
        Assert.Equal("chosen", rows[0].GetProperty("policy").GetString());
        Assert.InRange(rows[0].GetProperty("bitsPerValue").GetDouble(), 2.25, 3.25);
        Assert.Equal(4, rows[0].GetProperty("layers").GetArrayLength());
        Assert.Equal(["p.json"], _folder.Names);

        JsonElement row = ToolResult.JsonOf("evaluate", "--policy", _folder["p.json"], "--context", "128", "--chunks", "1")[0];
        Assert.Equal("p", row.GetProperty("policy").GetString());
        Assert.Equal(rows[0].GetProperty("bitsPerValue").GetDouble(), row.GetProperty("bodyBitsPerValue").GetDouble(), 9);
        Assert.Equal(_folder["p.json"], ToolResult.JsonOf("generate", "--prompt", "It was", "--tokens", "3", "--policy", _folder["p.json"]).GetProperty("policy").GetString());
        Assert.Single(ToolResult.JsonOf("plan", "--layers", "4", "--kv-heads", "2", "--dimension", "64", "--policy", _folder["p.json"]).EnumerateArray());

        string bias = Path.Combine(AppContext.BaseDirectory, "data", "mini-bias.gguf");
        ToolResult.Of("evaluate", bias, "--policy", _folder["p.json"]).AssertFailed(1, "another file", "tune again");
        ToolResult.Of("plan", "--policy", _folder["p.json"]).AssertFailed(1, "4 layers of 2 heads");
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
        string trace = Path.Combine(AppContext.BaseDirectory, "data", "mini-trace.safetensors");
        ToolResult result = ToolResult.Of("tune", trace, "--bytes-per-token", "450", "--keys", "turboquant:bits=2", "--keys", "turboquant:bits=4", "--values", "turboquant:bits=2");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains("not verified", result.Out, StringComparison.Ordinal);
        ToolResult.Of("tune", trace, "--bits-per-value", "3", "--text", "x.txt").AssertFailed(2, "--text", "model");
    }
}
