using System.Text.Json;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

public sealed class MeasureVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void JsonHasTheNamedFieldsAsNumbers()
    {
        JsonElement row = Assert.Single(ToolResult.JsonOf("measure", "--codec", "turboquant:bits=3", "--rows", "512").EnumerateArray());
        Assert.StartsWith("turboquant:", row.GetProperty("codec").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            ["codec", "rows", "dimension", "bytesPerRow", "bitsPerValue", "nmse", "cosine", "innerProductBias", "innerProductRmse", "encodeRowsPerSecond"],
            row.EnumerateObject().Select(p => p.Name));
        Assert.All(row.EnumerateObject().Skip(1), p => Assert.Equal(JsonValueKind.Number, p.Value.ValueKind));
        Assert.Equal(512, row.GetProperty("rows").GetInt32());
        Assert.Equal(128, row.GetProperty("dimension").GetInt32());
        Assert.Equal(50, row.GetProperty("bytesPerRow").GetDouble());
        Assert.Equal(3.125, row.GetProperty("bitsPerValue").GetDouble());
        // The optimum is .033966; 512 rows of 128 numbers vary by about a percent.
        Assert.InRange(row.GetProperty("nmse").GetDouble(), .032, .036);
        Assert.True(row.GetProperty("encodeRowsPerSecond").GetDouble() > 0);
    }

    [Fact]
    public void CodecsAreMeasuredInTheOrderGiven()
    {
        JsonElement rows = ToolResult.JsonOf("measure", "--codec", "fp32", "--codec", "fp16", "--codec", "fp32", "--rows", "8", "--dimension", "24");
        Assert.Equal(["fp32", "fp16", "fp32"], rows.EnumerateArray().Select(r => r.GetProperty("codec").GetString()));
        Assert.Equal(0, rows[0].GetProperty("nmse").GetDouble());
        Assert.True(rows[1].GetProperty("nmse").GetDouble() > 0);
    }

    [Fact]
    public void DefaultSetLeavesOutWhatDoesNotTakeTheDimension()
    {
        JsonElement all = ToolResult.JsonOf("measure", "--rows", "128", "--dimension", "64");
        JsonElement some = ToolResult.JsonOf("measure", "--rows", "128", "--dimension", "50");
        Assert.InRange(some.GetArrayLength(), 3, all.GetArrayLength() - 1);
    }

    [Fact]
    public void DefaultSetLeavesOutWhatNeedsMoreRows()
    {
        NpyFile.Write(_folder["in.npy"], 2, 64, [.. Enumerable.Range(1, 128).Select(i => (float)i)]);
        string[] codecs = [.. ToolResult.JsonOf("measure", _folder["in.npy"]).EnumerateArray().Select(r => r.GetProperty("codec").GetString()!)];
        Assert.Contains("fp16", codecs);
        Assert.DoesNotContain(codecs, c => c.StartsWith("outlier", StringComparison.Ordinal));
    }

    [Fact]
    public void CodecThatNeedsMoreRowsIsRefusedWithFileAndShortSpec()
    {
        NpyFile.Write(_folder["in.npy"], 2, 64, new float[128]);
        ToolResult.Of("measure", _folder["in.npy"], "--codec", "outlier:bits=2").AssertFailed(1, "in.npy: 'outlier:bits=2' needs at least", "there are 2");
    }

    [Fact]
    public void DotProductsBeyondSinglePrecisionAreMeasured()
    {
        NpyFile.Write(_folder["large.npy"], 1, 128, [.. Enumerable.Repeat(3e38f, 128)]);
        JsonElement row = ToolResult.JsonOf("measure", _folder["large.npy"], "--codec", "fp32")[0];
        Assert.InRange(row.GetProperty("innerProductRmse").GetDouble(), 0, 1e-6);
        Assert.InRange(row.GetProperty("innerProductBias").GetDouble(), -1e-6, 1e-6);
    }

    [Fact]
    public void SeedNamesTheVectors()
    {
        double first = Nmse("1"), again = Nmse("1"), other = Nmse("9223372036854775807");
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);

        static double Nmse(string seed) =>
            ToolResult.JsonOf("measure", "--codec", "turboquant:bits=2", "--rows", "64", "--seed", seed)[0].GetProperty("nmse").GetDouble();
    }

    [Fact]
    public void OutputHoldsTheDecodedRowsOfTheFile()
    {
        float[] rows = [1, 2, 3, 4, 5, 6, 7, 1f / 3];
        NpyFile.Write(_folder["in.npy"], 2, 4, rows);
        File.WriteAllText(_folder["out.npy"], "replaced");
        JsonElement measured = ToolResult.JsonOf("measure", _folder["in.npy"], "--codec", "fp16", "--output", _folder["out.npy"], "--force");
        Assert.Equal((2, 4), (measured[0].GetProperty("rows").GetInt32(), measured[0].GetProperty("dimension").GetInt32()));
        using NpyFile decoded = NpyFile.Open(_folder["out.npy"]);
        float[] found = new float[8];
        decoded.ReadRows(0, found);
        Assert.Equal(rows.Select(r => (float)(Half)r), found);
        Assert.Equal(["in.npy", "out.npy"], _folder.Names);
    }

    [Fact]
    public void TableIsPlainTextWithOneLinePerCodec()
    {
        ToolResult result = ToolResult.Of("measure", "--codec", "fp16", "--codec", "turboquant:bits=3", "--rows", "32");
        string[] lines = result.Out.TrimEnd().Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Contains("bytes/row", lines[0], StringComparison.Ordinal);
        Assert.Contains("turboquant:bits=3", lines[3], StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', result.Out);
        Assert.Equal("", result.Error);
    }

    [Theory]
    [InlineData("nonsense", "Known: fp32")]
    [InlineData("turboquant:bits=9", "1..8")]
    [InlineData("turboquant:bit=3", "bits=")]
    [InlineData("turboquant:bits=3,bits=3", "twice")]
    [InlineData("turboquant:", "name=value")]
    [InlineData("", "unknown codec")]
    public void WrongSpecIsWrongUsageAndSaysWhatIsKnown(string spec, string words) =>
        ToolResult.Of("measure", "--codec", spec).AssertFailed(2, words, "kvant measure --help");

    [Theory]
    [InlineData()]
    [InlineData("--codec", "fp16", "--codec", "fp32")]
    public void OutputWithoutExactlyOneCodecIsWrongUsage(params string[] codecs)
    {
        ToolResult.Of(["measure", .. codecs, "--output", _folder["out.npy"]]).AssertFailed(2, "--output", "one codec");
        Assert.Empty(_folder.Names);
    }

    [Theory]
    [InlineData("--rows")]
    [InlineData("--dimension")]
    [InlineData("--seed")]
    public void RandomOptionsWithAFileAreWrongUsage(string option)
    {
        NpyFile.Write(_folder["in.npy"], 1, 4, [1, 2, 3, 4]);
        ToolResult.Of("measure", _folder["in.npy"], option, "4").AssertFailed(2, option, "VECTORS.npy");
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("9223372036854775808")]
    public void SeedOutOfRangeIsWrongUsage(string seed) => ToolResult.Of("measure", "--seed", seed).AssertFailed(2, "from 0 to 9223372036854775807");

    [Fact]
    public void MoreNumbersThanAnArrayHoldsAreRefused() =>
        ToolResult.Of("measure", "--rows", "16777216", "--dimension", "4096").AssertFailed(2, "too many");

    [Theory]
    [InlineData("in.npy")]
    [InlineData("./in.npy")]
    [InlineData("link.npy")]
    public void OutputThatIsTheInputIsRefused(string output)
    {
        NpyFile.Write(_folder["in.npy"], 1, 4, [1, 2, 3, 4]);
        byte[] before = File.ReadAllBytes(_folder["in.npy"]);
        if (!OperatingSystem.IsWindows())
            File.CreateSymbolicLink(_folder["link.npy"], _folder["in.npy"]);
        ToolResult.Of("measure", _folder["in.npy"], "--codec", "fp16", "--output", _folder[output]).AssertFailed(2, "is the input");
        Assert.Equal(before, File.ReadAllBytes(_folder["in.npy"]));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e30f)]
    public void RefusedNumberFailsAndLeavesNoFile(float bad)
    {
        NpyFile.Write(_folder["in.npy"], 2, 4, [1, 2, 3, 4, 5, bad, 7, 8]);
        ToolResult.Of("measure", _folder["in.npy"], "--codec", "fp16", "--output", _folder["out.npy"]).AssertFailed(1, "in.npy: ");
        Assert.Equal(["in.npy"], _folder.Names);
    }

    [Fact]
    public void DimensionThatACodecDoesNotTakeFails() =>
        ToolResult.Of("measure", "--dimension", "50", "--codec", "q8_0").AssertFailed(1, "50", "32");

    [Fact]
    public void MissingFileFailsWithItsName() => ToolResult.Of("measure", _folder["none.npy"]).AssertFailed(1, "none.npy", "does not exist");

    [Fact]
    public void FolderAsFileFails() => ToolResult.Of("measure", _folder["."]).AssertFailed(1);

    [Fact]
    public void FileThatIsNotNpyFails()
    {
        File.WriteAllText(_folder["in.npy"], "hello");
        ToolResult.Of("measure", _folder["in.npy"]).AssertFailed(1, "in.npy", "npy");
    }

    [Fact]
    public void CancelledRunLeavesNoFile()
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        int code = Tool.Run(["measure", "--codec", "fp16", "--output", _folder["out.npy"]], stdout, stderr, new CancellationToken(canceled: true));
        new ToolResult(code, stdout.ToString(), stderr.ToString()).AssertFailed(130, "interrupted");
        Assert.Empty(_folder.Names);
    }
}
