using System.Text.Json;
using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

/// <summary>A command that is given no codecs works for every head dimension; what does not fit is left out and named.</summary>
public sealed class LeftOutTests : IDisposable
{
    private static readonly string[] s_short = ["--context", "64", "--chunks", "1", "--threads", "1"];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(8)]
    [InlineData(80)]
    public void ModelOfAnyHeadDimensionIsEvaluated(int dimension)
    {
        SmallModel.Write(_folder["m.gguf"], dimension);
        ToolResult result = ToolResult.Of(["evaluate", _folder["m.gguf"], "--report", _folder["r.html"], "--results", _folder["r.jsonl"], .. s_short]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        string line = Assert.Single(result.Out.Split('\n'), l => l.StartsWith("Left out", StringComparison.Ordinal));
        Assert.Contains("q4_0:rotation=hadamard (the dimension must be a multiple of 32)", line, StringComparison.Ordinal);
        Assert.Contains(line.Trim(), File.ReadAllText(_folder["r.html"]), StringComparison.Ordinal);
        JsonElement rows = ToolResult.JsonOf(["evaluate", _folder["m.gguf"], .. s_short]);
        Assert.True(rows.GetArrayLength() >= 4);
        Assert.Equal("q4_0:rotation=hadamard", rows[0].GetProperty("leftOut")[0].GetProperty("name").GetString());
        Assert.Contains("leftOut", File.ReadLines(_folder["r.jsonl"]).First(), StringComparison.Ordinal);
        // Whoever asks for it hears why it does not go.
        ToolResult.Of(["evaluate", _folder["m.gguf"], "--codec", "q4_0", .. s_short]).AssertFailed(1, "q4_0", "multiple of 32");
    }

    [Theory]
    [InlineData(8)]
    [InlineData(80)]
    public void TraceOfAnyHeadDimensionIsEvaluatedAndTuned(int dimension)
    {
        string trace = _folder["t"];
        using (TraceWriter writer = TraceWriter.Create(trace, new CacheGeometry { Layers = 1, KvHeads = 1, KeyDimension = dimension, ValueDimension = dimension }, tokens: 64, queryHeads: 1))
        {
            float[] rows = [.. Enumerable.Range(0, 64 * dimension).Select(i => MathF.Sin(i))];
            writer.WriteKeys(0, 0, rows);
            writer.WriteValues(0, 0, rows);
            writer.WriteQueries(0, 0, rows);
            writer.Commit();
        }

        ToolResult result = ToolResult.Of("evaluate", trace, "--report", _folder["r.html"]);
        result.AssertSucceeded();
        AssertNamed(result, "q8_0, q4_0, q4_0:rotation=hadamard, polar32:bits=3");
        Assert.Contains("Left out", File.ReadAllText(_folder["r.html"]), StringComparison.Ordinal);
        Assert.True(ToolResult.JsonOf("evaluate", trace)[0].GetProperty("leftOut").GetArrayLength() >= 4);
        AssertNamed(ToolResult.Of("tune", trace, "--window", "16", "--sinks", "4", "--bits-per-value", "16", "--keys", "q4_0", "--keys", "fp16", "--values", "fp16"), "q4_0");
    }

    [Theory]
    [InlineData("measure", "--rows", "64", "--dimension", "80")]
    [InlineData("measure", "--rows", "64", "--dimension", "8")]
    [InlineData("plan", "--dimension", "8")]
    [InlineData("plan", "--dimension", "80")]
    [InlineData("bench", "attention", "--dimension", "8", "--tokens", "64", "--kv-heads", "1", "--seconds", "0.01")]
    [InlineData("bench", "encode", "--dimension", "80", "--appends", "64", "--kv-heads", "1", "--seconds", "0.01")]
    [InlineData("bench", "prefill", "--dimension", "2", "--tokens", "64", "--kv-heads", "1", "--seconds", "0.01")]
    public void DefaultsOfOtherCommandsAreNamedToo(params string[] args)
    {
        ToolResult result = ToolResult.Of(args);
        result.AssertSucceeded();
        AssertNamed(result, args.Contains("prefill") ? "turboquant:bits=4" : "q4_0");
    }

    [Fact]
    public void NothingIsNamedWhereAllFits() => Assert.DoesNotContain("Left out", ToolResult.Of("plan").Out, StringComparison.Ordinal);

    [Theory]
    [InlineData("measure", "--rows", "16777216", "--dimension", "4096")]
    [InlineData("bench", "attention", "--tokens", "1048576", "--kv-heads", "1024", "--dimension", "4096")]
    [InlineData("bench", "encode", "--appends", "1048576", "--kv-heads", "1024", "--dimension", "4096")]
    [InlineData("bench", "decode", "--tokens", "1048576", "--layers", "1024", "--kv-heads", "1024")]
    [InlineData("bench", "prefill", "--tokens", "131072", "--kv-heads", "1024", "--dimension", "4096")]
    [InlineData("generate", "--prompt", "x", "--tokens", "999999999999")]
    [InlineData("plan", "--dimension", "100000000")]
    [InlineData("evaluate", "--threads", "100000")]
    public void WhatCannotFitIsRefusedBeforeItBegins(params string[] args)
    {
        ToolResult result = ToolResult.Of(args);
        result.AssertFailed(2);
        Assert.DoesNotContain("not enough memory", result.Error, StringComparison.Ordinal);
    }

    private static void AssertNamed(ToolResult result, string names) =>
        Assert.Contains(names, Assert.Single(result.Out.Split('\n'), l => l.StartsWith("Left out", StringComparison.Ordinal)), StringComparison.Ordinal);
}
