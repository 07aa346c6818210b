using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

/// <summary>compress, inspect and decompress: the way of a trace through a compressed file.</summary>
public sealed class CompressVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void LosslessRoundTripGivesTheSameNumbers()
    {
        Compress("fp32", "fp16");
        ToolResult.JsonOf("decompress", _folder["cache.kvant"], "-o", _folder["decoded.safetensors"]);
        using Trace before = Trace.Open(TempFolder.Trace);
        using Trace after = Trace.Open(_folder["decoded.safetensors"]);
        Assert.Equal(before.Geometry, after.Geometry);
        Assert.Equal((before.Tokens, before.QueryHeads, before.SoftmaxScale), (after.Tokens, after.QueryHeads, after.SoftmaxScale));
        float[] a = new float[before.Tokens * before.KeyDimension], b = new float[a.Length];
        for (int layer = 0; layer < before.Layers; layer++)
        {
            before.ReadKeys(layer, 0, a);
            after.ReadKeys(layer, 0, b);
            Assert.Equal(a, b);
            before.ReadQueries(layer, 0, a);
            after.ReadQueries(layer, 0, b);
            Assert.Equal(a, b);
        }

        Assert.Equal(["cache.kvant", "decoded.safetensors"], _folder.Names);
    }

    [Fact]
    public void InspectCountsWhatCompressReported()
    {
        JsonElement row = Compress("turboquant:bits=4", "turboquant:bits=3")[0];
        JsonElement found = ToolResult.JsonOf("inspect", _folder["cache.kvant"]);
        foreach (string field in (string[])["tokens", "bytes", "fp16Bytes", "bitsPerValue", "ratio", "fileBytes"])
            Assert.Equal(row.GetProperty(field).GetDouble(), found.GetProperty(field).GetDouble());
        // 64 numbers of 4 and 3 bits and a scale of 2 bytes: 34 and 26 bytes a row, against 128 each.
        Assert.Equal(256.0 / 60, found.GetProperty("ratio").GetDouble(), 9);
        Assert.Equal(
            found.GetProperty("bytes").GetInt64(),
            Sum("keyBytes", "valueBytes", "tailBytes", "stateBytes"));
        Assert.Equal(new FileInfo(_folder["cache.kvant"]).Length, found.GetProperty("fileBytes").GetInt64());
        JsonElement specs = Assert.Single(found.GetProperty("specs").EnumerateArray());
        Assert.Equal(CodecSpec.Parse("turboquant:bits=4").FullText, specs.GetProperty("keys").GetString());

        long Sum(params string[] fields) => fields.Sum(f => found.GetProperty(f).GetInt64());
    }

    [Fact]
    public void CacheFileIsCompressedOnceMore()
    {
        Compress("q8", "q8");
        ToolResult.JsonOf("compress", _folder["cache.kvant"], "-o", _folder["smaller.kvant"], "--keys", "turboquant:bits=2", "--values", "q8", "--tokens", "64");
        using CacheFile before = CacheFile.Open(_folder["cache.kvant"]), after = CacheFile.Open(_folder["smaller.kvant"]);
        Assert.Equal((before.Tokens, before.QueryHeads), (after.Tokens, after.QueryHeads));
        Assert.Equal(before.Source, after.Source);
        Assert.Equal(64 * before.Options.Geometry.Layers, after.Statistics.RecodedRows);
        Assert.InRange(after.Length, 0, before.Length - 1);
        ToolResult.JsonOf("decompress", _folder["smaller.kvant"], "-o", _folder["decoded.safetensors"]);
        using Trace source = Trace.Open(TempFolder.Trace), decoded = Trace.Open(_folder["decoded.safetensors"]);
        float[] a = new float[source.Tokens * source.KeyDimension], b = new float[a.Length];
        source.ReadQueries(1, 0, a);
        decoded.ReadQueries(1, 0, b);
        Assert.Equal(a, b);
        Assert.Contains("turboquant", ToolResult.JsonOf("inspect", _folder["smaller.kvant"]).GetProperty("specs")[0].GetProperty("ages").GetString());
        Assert.Contains("--tokens", ToolResult.Of("compress", TempFolder.Trace, "-o", _folder["other.kvant"], "--policy", "balanced", "--tokens", "64").Error);
    }

    [Fact]
    public void BoundaryLayersHaveTheirOwnCodecs()
    {
        string coarse = CodecSpec.Parse("turboquant:bits=2").FullText;
        Compress("turboquant:bits=2", "turboquant:bits=2", "--boundary-layers", "1", "--boundary-keys", "fp16");
        JsonElement[] specs = [.. ToolResult.JsonOf("inspect", _folder["cache.kvant"]).GetProperty("specs").EnumerateArray()];
        Assert.Equal(
            [(0, 0, "fp16"), (1, 2, coarse), (3, 3, "fp16")],
            specs.Select(s => (s.GetProperty("firstLayer").GetInt32(), s.GetProperty("lastLayer").GetInt32(), s.GetProperty("keys").GetString()!)));
        Assert.All(specs, s => Assert.Equal(coarse, s.GetProperty("values").GetString()));
    }

    [Theory]
    [InlineData("--boundary-layers", "1")]
    [InlineData("--boundary-keys", "fp16")]
    public void HalfOfABoundaryIsWrongUsage(string option, string value) =>
        CompressFails([option, value], 2, "--boundary-layers");

    [Fact]
    public void MoreBoundaryLayersThanLayersIsWrongUsage() =>
        CompressFails(["--boundary-layers", "3", "--boundary-keys", "fp16"], 2, "4 layers", "at most 2");

    [Fact]
    public void NumbersThatDoNotFitHalfPrecisionFailWithTheWayOut()
    {
        using (TraceWriter writer = TraceWriter.Create(_folder["in.safetensors"], new CacheGeometry { Layers = 1, KvHeads = 1, KeyDimension = 2, ValueDimension = 2 }, 1, elementType: ElementType.F32))
        {
            writer.WriteKeys(0, 0, [1e10f, 1]);
            writer.WriteValues(0, 0, [1, 2]);
            writer.Commit();
        }

        ToolResult.JsonOf("compress", _folder["in.safetensors"], "-o", _folder["cache.kvant"], "--keys", "fp32", "--values", "fp32");
        ToolResult.Of("decompress", _folder["cache.kvant"], "-o", _folder["out.safetensors"]).AssertFailed(1, "cache.kvant: ", "use --type f32");
        Assert.Equal(["cache.kvant", "in.safetensors"], _folder.Names);
        ToolResult.JsonOf("decompress", _folder["cache.kvant"], "-o", _folder["out.safetensors"], "--type", "f32");
    }

    [Fact]
    public void MissingOutputIsWrongUsage() =>
        ToolResult.Of("compress", TempFolder.Trace, "--keys", "fp16", "--values", "fp16").AssertFailed(2, "--output");

    [Fact]
    public void PolicyTakesThePlaceOfCodecs()
    {
        JsonElement row = ToolResult.JsonOf("compress", TempFolder.Trace, "-o", _folder["cache.kvant"], "--policy", "small")[0];
        Assert.InRange(row.GetProperty("ratio").GetDouble(), 4, 6);
        ToolResult.Of("compress", TempFolder.Trace, "-o", _folder["none"], "--policy", "small", "--keys", "fp16").AssertFailed(2, "--policy", "--keys");
        ToolResult.Of("compress", TempFolder.Trace, "-o", _folder["none"], "--keys", "fp16").AssertFailed(2, "--values", "--policy");
        Assert.Equal(["cache.kvant"], _folder.Names);
    }

    [Fact]
    public void MissingTraceIsWrongUsage() =>
        ToolResult.Of("compress", "-o", _folder["cache.kvant"], "--keys", "fp16", "--values", "fp16").AssertFailed(2, "TRACE is missing");

    [Fact]
    public void MissingFolderFails() =>
        ToolResult.Of("compress", TempFolder.Trace, "-o", _folder["no/cache.kvant"], "--keys", "fp16", "--values", "fp16").AssertFailed(1, "create it first");

    [Fact]
    public void DeviceAsOutputIsRefused()
    {
        if (!OperatingSystem.IsWindows())
            ToolResult.Of("compress", TempFolder.Trace, "-o", "/dev/null", "--keys", "fp16", "--values", "fp16").AssertFailed(1, "device");
    }

    [Fact]
    public void ExistingOutputSurvivesAFailure()
    {
        File.WriteAllText(_folder["cache.kvant"], "precious");
        File.WriteAllBytes(_folder["broken.safetensors"], File.ReadAllBytes(TempFolder.Trace)[..100_000]);
        ToolResult.Of("compress", _folder["broken.safetensors"], "-o", _folder["cache.kvant"], "--keys", "fp16", "--values", "fp16", "--force").AssertFailed(1, "broken.safetensors");
        Assert.Equal("precious", File.ReadAllText(_folder["cache.kvant"]));
    }

    [Fact]
    public void DamagedTensorIsNamedAndNothingIsWritten()
    {
        Compress("fp16", "fp16");
        byte[] bytes = File.ReadAllBytes(_folder["cache.kvant"]);
        bytes[^1] ^= 1;
        File.WriteAllBytes(_folder["cache.kvant"], bytes);
        ToolResult.Of("inspect", _folder["cache.kvant"]).AssertFailed(1, "layer 3", "checksum");
        ToolResult.Of("decompress", _folder["cache.kvant"], "-o", _folder["decoded.safetensors"]).AssertFailed(1, "layer 3", "checksum");
        Assert.Equal(["cache.kvant"], _folder.Names);
    }

    [Fact]
    public void TraceIsNotACompressedCache() => ToolResult.Of("inspect", TempFolder.Trace).AssertFailed(1, "kvant.cache");

    [Fact]
    public void UnknownNumberTypeIsWrongUsage() =>
        ToolResult.Of("decompress", "cache.kvant", "-o", _folder["x"], "--type", "f64").AssertFailed(2, "f64", "f16", "f32");

    [Fact]
    public void UnknownOptionBeforeTheFileIsNamed() => ToolResult.Of("inspect", "--nonsense", "cache.kvant").AssertFailed(2, "'--nonsense'");

    [Fact]
    public void CancelledRunLeavesNoFile()
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        int code = Tool.Run(["compress", TempFolder.Trace, "-o", _folder["cache.kvant"], "--keys", "fp16", "--values", "fp16"], stdout, stderr, new CancellationToken(canceled: true));
        new ToolResult(code, stdout.ToString(), stderr.ToString()).AssertFailed(130, "interrupted");
        Assert.Empty(_folder.Names);
    }

    private JsonElement Compress(string keys, string values, params string[] more) =>
        ToolResult.JsonOf(["compress", TempFolder.Trace, "-o", _folder["cache.kvant"], "--keys", keys, "--values", values, .. more]);

    private void CompressFails(string[] more, int exitCode, params string[] words)
    {
        ToolResult.Of(["compress", TempFolder.Trace, "-o", _folder["cache.kvant"], "--keys", "fp16", "--values", "fp16", .. more]).AssertFailed(exitCode, words);
        Assert.Empty(_folder.Names);
    }
}
