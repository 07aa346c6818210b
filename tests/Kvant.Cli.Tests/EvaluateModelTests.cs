using System.Runtime.InteropServices;
using System.Text.Json;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Cli.Tests;

public sealed class EvaluateModelTests : IDisposable
{
    private static readonly string[] s_short = ["--context", "128", "--chunks", "2", "--window", "64", "--sinks", "4", "--threads", "2"];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ShippedModelAndTextAreTheDefault()
    {
        JsonElement rows = ToolResult.JsonOf(["evaluate", "--codec", "fp16", "--codec", "turboquant:bits=2", .. s_short]);
        Assert.Equal(["turboquant", "fp16"], rows.EnumerateArray().Select(r => r.GetProperty("keys").GetString()!.Split(':')[0]));
        JsonElement row = rows[0];
        foreach (string field in (string[])["bodyBitsPerValue", "bytesPerToken", "ratio", "longBytesPerToken", "longRatio"])
            Assert.Equal(JsonValueKind.Number, row.GetProperty(field).ValueKind);
        foreach (string field in (string[])["perplexity", "perplexityRatio", "divergenceMean", "divergenceMedian", "divergenceP99", "divergenceP999", "divergenceMaximum", "top1", "trueTokenChange"])
        {
            Assert.Equal(JsonValueKind.Number, row.GetProperty("loss").GetProperty(field).GetProperty("value").ValueKind);
            Assert.Equal(JsonValueKind.Number, row.GetProperty("loss").GetProperty(field).GetProperty("standardError").ValueKind);
        }

        Assert.Equal(4, row.GetProperty("layerErrors").GetArrayLength());
        Assert.False(row.TryGetProperty("keysOnly", out _));
    }

    [Fact]
    public void TableNamesWhatWasMeasured()
    {
        ToolResult result = ToolResult.Of(["evaluate", "--codec", "turboquant:bits=3", "--parts", .. s_short]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        foreach (string words in (string[])["mini.gguf on mini-holdout.txt, 2 x 128 tokens", "4 sinks", "window of 64", "KL median", "top-1 %", "keys only", "rough with few pieces of text (2)"])
            Assert.Contains(words, result.Out, StringComparison.Ordinal);
    }

    // Logits that say nothing: every one is zero. Pieces and context are theirs, and the row that compresses nothing stands beside the others.
    [Fact]
    public void LogitsOfAnotherEngineAreTheBaseline()
    {
        using (LanguageModel model = LanguageModel.Open(TempFolder.Model))
        {
            Tokenizer tokenizer = Tokenizer.Read(model.File);
            int[] tokens = [.. tokenizer.AddsBegin ? [tokenizer.Begin!.Value] : Array.Empty<int>(), .. tokenizer.Encode(File.ReadAllText(Shipped.Text), addBegin: false)[..64]];
            using SafetensorsWriter writer = SafetensorsWriter.Create(
                _folder["l.safetensors"], [new("tokens", ElementType.I32, 1, 40), new("logits", ElementType.F32, 1, 40, model.VocabularySize)], new Dictionary<string, string> { ["kvant.logits"] = "1", ["engine"] = "nobody" });
            writer.Write(MemoryMarshal.AsBytes(tokens.AsSpan(0, 40)));
            writer.Write(new byte[40 * model.VocabularySize * sizeof(float)]);
            writer.Commit();
        }

        ToolResult result = ToolResult.Of("evaluate", "--against", _folder["l.safetensors"], "--codec", "q8");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        foreach (string words in (string[])["1 x 40 tokens", "with the logits of nobody", "each against the logits of nobody", "fp32", "q8"])
            Assert.Contains(words, result.Out, StringComparison.Ordinal);
        ToolResult.Of("evaluate", "--against", _folder["l.safetensors"], "--codec", "q8", "--context", "64").AssertFailed(1, "1 pieces of 40 tokens");
        ToolResult.Of("evaluate", TempFolder.Trace, "--against", _folder["l.safetensors"]).AssertFailed(2, "--against goes with a model");
    }

    [Fact]
    public void ReportAndResultsAreWrittenWhole()
    {
        ToolResult result = ToolResult.Of(["evaluate", "--codec", "fp16", "--codec", "q8_0", "--report", _folder["r.html"], "--results", _folder["r.jsonl"], .. s_short]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains("</html>", File.ReadAllText(_folder["r.html"]), StringComparison.Ordinal);
        string[] lines = File.ReadAllLines(_folder["r.jsonl"]);
        Assert.Equal(2, lines.Length);
        foreach (string line in lines)
        {
            using var json = JsonDocument.Parse(line);
            Assert.Equal("mini.gguf", json.RootElement.GetProperty("model").GetProperty("name").GetString());
            Assert.Equal(128, json.RootElement.GetProperty("text").GetProperty("context").GetInt32());
            Assert.Single(json.RootElement.GetProperty("results").EnumerateArray());
        }

        Assert.Equal(["r.html", "r.jsonl"], _folder.Names);
    }

    [Fact]
    public void ContextBeyondTheModelsIsWarnedOf()
    {
        ToolResult result = ToolResult.Of("evaluate", "--codec", "fp16", "--context", "1100", "--chunks", "1", "--json");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("warning: the model was trained on contexts of 1024 tokens; at 1100", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void TextOfTheUsersIsRead()
    {
        File.WriteAllText(_folder["short.txt"], "Call me Ishmael.");
        File.WriteAllBytes(_folder["bytes.txt"], [0x41, 0xFF, 0xFE, 0x42]);
        File.WriteAllText(_folder["empty.txt"], "");
        ToolResult.Of(["evaluate", "--codec", "fp16", "--text", _folder["short.txt"], .. s_short]).AssertFailed(1, "tokens; a context of 128 needs at least 128");
        ToolResult.Of(["evaluate", "--codec", "fp16", "--text", _folder["bytes.txt"], .. s_short]).AssertFailed(1, "no text in UTF-8", "offset 1");
        ToolResult.Of(["evaluate", "--codec", "fp16", "--text", _folder["empty.txt"], .. s_short]).AssertFailed(1, "the text is empty");
        ToolResult.Of(["evaluate", "--codec", "fp16", "--text", _folder["none.txt"], .. s_short]).AssertFailed(1, "none.txt", "does not exist");
    }

    [Fact]
    public void BrokenModelIsOneLine()
    {
        byte[] model = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "data", "mini.gguf"));
        File.WriteAllBytes(_folder["half.gguf"], model[..(model.Length / 2)]);
        ToolResult.Of("evaluate", _folder["half.gguf"]).AssertFailed(1, "half.gguf");
        model[4] = 9;
        File.WriteAllBytes(_folder["new.gguf"], model);
        ToolResult.Of("evaluate", _folder["new.gguf"]).AssertFailed(1, "new.gguf", "version");
    }

    [Theory]
    [InlineData("--text", "x.txt")]
    [InlineData("--context", "64")]
    [InlineData("--parts")]
    [InlineData("--results", "r.jsonl")]
    public void WhatBelongsToModelsIsRefusedForTraces(params string[] options) =>
        ToolResult.Of(["evaluate", Path.Combine(AppContext.BaseDirectory, "data", "mini-trace.safetensors"), .. options]).AssertFailed(2, options[0], "model");

    [Fact]
    public void AllAndAChoiceContradictEachOther() => ToolResult.Of("evaluate", "--all", "--codec", "fp16").AssertFailed(2, "--all");
}
