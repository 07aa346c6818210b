using System.Text.Json;
using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

public sealed class EvaluateVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static readonly string s_trace = Path.Combine(AppContext.BaseDirectory, "data", "mini-trace.safetensors");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ShippedTraceHasEveryField()
    {
        JsonElement row = Assert.Single(ToolResult.JsonOf("evaluate", s_trace, "--codec", "turboquant:bits=4").EnumerateArray());
        foreach (string field in (string[])["bytesPerToken", "bitsPerValue", "ratio", "keyNmse", "valueNmse", "logitRmse", "top1", "outputError"])
            Assert.Equal(JsonValueKind.Number, row.GetProperty(field).ValueKind);
        foreach (string field in (string[])["mean", "median", "p99"])
            Assert.Equal(JsonValueKind.Number, row.GetProperty("attentionKl").GetProperty(field).ValueKind);
        // 4 layers of 2 heads, a key and a value of 64 numbers each: 34 bytes at 4 bits and a scale.
        Assert.Equal(4 * 2 * 2 * 34, row.GetProperty("bytesPerToken").GetDouble());
        Assert.Equal(128.0 / 34, row.GetProperty("ratio").GetDouble(), 9);
        // The optimum for random vectors is near .0095; real keys are close to it after rotation, and zeros would give 1.
        Assert.InRange(row.GetProperty("keyNmse").GetDouble(), .005, .015);
        Assert.InRange(row.GetProperty("outputError").GetDouble(), 1e-4, .1);
    }

    [Fact]
    public void RotaryEmbeddingOfATraceThatDoesNotSayItCanBeSaid()
    {
        string[] words = ["evaluate", s_trace, "--codec", "turboquant:bits=4,frame=constant"];
        double Error(params string[] more) => Assert.Single(ToolResult.JsonOf([.. words, .. more]).EnumerateArray()).GetProperty("keyNmse").GetDouble();
        // The keys of the model that ships have less in common once they are turned.
        Assert.True(Error("--rope-base", "10000", "--rope-pairs", "neighbors") < Error());
        ToolResult.Of([.. words, "--rope-pairs", "halves"]).AssertFailed(2, "--rope-base");
        ToolResult.Of([.. words, "--rope-base", "0"]).AssertFailed(2, "--rope-base", "above 0", "'0'");
        ToolResult.Of("evaluate", "--rope-base", "10000").AssertFailed(2, "--rope-base", "a model says it itself");
    }

    [Fact]
    public void PresetsAreComparedOnATraceToo()
    {
        JsonElement[] rows = [.. ToolResult.JsonOf("evaluate", s_trace, "--policy", "balanced", "--keys", CachePreset.Default.Keys.ToString(), "--values", CachePreset.Default.Values.ToString()).EnumerateArray()];
        Assert.Equal(2, rows.Length);
        Assert.Single(rows, r => r.TryGetProperty("policy", out JsonElement name) && name.GetString() == "balanced");
        Assert.Equal(rows[0].GetProperty("outputError").GetDouble(), rows[1].GetProperty("outputError").GetDouble());
        ToolResult table = ToolResult.Of("evaluate", s_trace, "--policy", "balanced", "--report", _folder["r.html"]);
        table.AssertSucceeded();
        Assert.Contains($"balanced: {CachePreset.Default.Keys} / {CachePreset.Default.Values}", table.Out, StringComparison.Ordinal);
        Assert.Contains("> balanced<", File.ReadAllText(_folder["r.html"]), StringComparison.Ordinal);
    }

    [Fact]
    public void ModelAndTraceAreOneInput()
    {
        ToolResult.Of("evaluate", s_trace, "--model", TempFolder.Model).AssertFailed(2, "mini-trace.safetensors", "--model");
        ToolResult.Of("tune", s_trace, "--model", TempFolder.Model, "--bits-per-value", "3").AssertFailed(2, "mini-trace.safetensors", "--model");
        ToolResult.Of("evaluate", "--model", s_trace).AssertFailed(1, "mini-trace.safetensors", "GGUF");
    }

    [Fact]
    public void RowsAreSortedByBytes()
    {
        JsonElement rows = ToolResult.JsonOf("evaluate", Tiny(), "--codec", "fp32", "--codec", "turboquant:bits=2", "--codec", "fp16");
        Assert.Equal(["turboquant", "fp16", "fp32"], rows.EnumerateArray().Select(r => r.GetProperty("keys").GetString()!.Split(':')[0]));
    }

    [Fact]
    public void KeysAndValuesArePairedInOrder()
    {
        string trace = Tiny();
        Assert.Equal(
            [("fp16", "fp32"), ("fp32", "fp16")],
            Pairs(ToolResult.JsonOf("evaluate", trace, "--keys", "fp16", "--keys", "fp32", "--values", "fp32", "--values", "fp16")));
        Assert.Equal(
            [("fp16", "fp16"), ("fp16", "fp32")],
            Pairs(ToolResult.JsonOf("evaluate", trace, "--keys", "fp16", "--values", "fp16", "--values", "fp32")));

        static IEnumerable<(string, string)> Pairs(JsonElement rows) =>
            rows.EnumerateArray().Select(r => (r.GetProperty("keys").GetString()!, r.GetProperty("values").GetString()!));
    }

    [Theory]
    [InlineData("--keys", "fp16")]
    [InlineData("--values", "fp16")]
    [InlineData("--keys", "fp16", "--keys", "fp32", "--values", "fp16", "--values", "fp16", "--values", "fp32")]
    public void KeysThatDoNotMatchValuesAreWrongUsage(params string[] options) =>
        ToolResult.Of(["evaluate", .. options]).AssertFailed(2, "--keys", "--values");

    [Fact]
    public void TraceWithoutQueriesHasNoAttentionNumbers()
    {
        JsonElement row = Assert.Single(ToolResult.JsonOf("evaluate", Tiny(), "--codec", "turboquant:bits=2").EnumerateArray());
        Assert.True(row.GetProperty("keyNmse").GetDouble() > 0);
        Assert.False(row.TryGetProperty("outputError", out JsonElement value) && value.ValueKind == JsonValueKind.Number);
        Assert.Equal(0, ToolResult.Of("evaluate", Tiny(), "--codec", "fp16").ExitCode);
    }

    [Fact]
    public void CodecThatNeedsMoreTokensIsRefusedButNotTakenByDefault()
    {
        string trace = Tiny(tokens: 16);
        ToolResult.Of("evaluate", trace, "--codec", "kivi:bits=2").AssertFailed(1, "tiny.safetensors: 'kivi:bits=2' needs at least 32 tokens; the trace has 16");
        JsonElement rows = ToolResult.JsonOf("evaluate", trace);
        Assert.DoesNotContain(rows.EnumerateArray(), r => r.GetProperty("keys").GetString()!.StartsWith("kivi", StringComparison.Ordinal));
        Assert.True(rows.GetArrayLength() > 3);
    }

    [Fact]
    public void ThreadsDoNotChangeTheNumbers() =>
        Assert.Equal(
            ToolResult.Of("evaluate", Tiny(), "--codec", "turboquant:bits=3", "--threads", "1", "--json").Out,
            ToolResult.Of("evaluate", Tiny(), "--codec", "turboquant:bits=3", "--threads", "3", "--json").Out);

    [Fact]
    public void ReportIsOneSelfContainedPage()
    {
        ToolResult result = ToolResult.Of("evaluate", s_trace, "--codec", "turboquant:bits=2", "--codec", "fp16", "--report", _folder["report.html"]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        string page = File.ReadAllText(_folder["report.html"]);
        Assert.Contains("<svg", page, StringComparison.Ordinal);
        Assert.Contains("</html>", page, StringComparison.Ordinal);
        Assert.Equal(["report.html"], _folder.Names);
    }

    [Fact]
    public void ReportThatIsTheTraceIsRefused()
    {
        string trace = Tiny();
        ToolResult.Of("evaluate", trace, "--report", trace).AssertFailed(2, "is the input");
    }

    [Fact]
    public void MissingTraceFails() => ToolResult.Of("evaluate", _folder["none"]).AssertFailed(1, "none", "does not exist");

    [Fact]
    public void NumberThatIsNotFiniteFailsWithItsPlaceAndLeavesNoReport()
    {
        string trace = Tiny();
        byte[] bytes = File.ReadAllBytes(trace);
        BitConverter.TryWriteBytes(bytes.AsSpan(bytes.Length - 4), float.NaN);
        File.WriteAllBytes(trace, bytes);
        ToolResult.Of("evaluate", trace, "--codec", "fp16", "--report", _folder["report.html"]).AssertFailed(1, "layers.0.value", "NaN");
        Assert.Equal(["tiny.safetensors"], _folder.Names);
    }

    private string Tiny(int tokens = 40)
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 2, KeyDimension = 32, ValueDimension = 32 };
        var random = new Random(5);
        float[] rows = new float[tokens * 32];
        using TraceWriter writer = TraceWriter.Create(_folder["tiny.safetensors"], geometry, tokens, elementType: ElementType.F32);
        for (int head = 0; head < 4; head++)
        {
            for (int i = 0; i < rows.Length; i++)
                rows[i] = random.NextSingle() - .5f;
            if (head < 2)
                writer.WriteKeys(0, head, rows);
            else
                writer.WriteValues(0, head - 2, rows);
        }

        writer.Commit();
        return _folder["tiny.safetensors"];
    }
}
