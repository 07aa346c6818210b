using System.Text.Json;
using Kvant.Caching;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Cli.Tests;

public sealed class GenerateVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void JsonHasTheNamedFieldsAndAddsUp()
    {
        JsonElement found = ToolResult.JsonOf("generate", "--prompt", "It was a dark night", "--tokens", "300", "--window", "0", "--sinks", "0", "--threads", "1");
        Assert.Equal(
            ["model", "policy", "keys", "values", "text", "end", "promptTokens", "promptTokensPerSecond", "tokens", "tokensPerSecond", "steps", "guesses", "cacheBytes", "freeBytes", "fp16Bytes", "recodedRows", "ratio", "peakMemoryBytes"],
            found.EnumerateObject().Select(p => p.Name));
        Assert.Equal(CachePreset.Default.Name, found.GetProperty("policy").GetString());
        Assert.Equal((CachePreset.Default.Keys.ToString(), CachePreset.Default.Values.ToString()), (found.GetProperty("keys").GetString(), found.GetProperty("values").GetString()));
        Assert.Equal(("limit", 300), (found.GetProperty("end").GetString(), found.GetProperty("tokens").GetInt32()));
        // 4 layers, 2 heads, 64 numbers of 2 bytes, keys and values.
        long fp16 = (found.GetProperty("promptTokens").GetInt64() + 300) * 4 * 2 * 64 * 2 * 2;
        Assert.Equal(fp16, found.GetProperty("fp16Bytes").GetInt64());
        Assert.Equal((double)fp16 / found.GetProperty("cacheBytes").GetInt64(), found.GetProperty("ratio").GetDouble(), 9);
        Assert.True(found.GetProperty("peakMemoryBytes").GetInt64() > 5_000_000); // the weights alone
    }

    // The golden of llama.cpp that the decoder's tests have: the same text through the whole command.
    [Fact]
    public void GreedyTextWithoutCompressionIsThatOfLlamaCpp()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "logits-mini.json")));
        using LanguageModel model = LanguageModel.Open(TempFolder.Model);
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        int[] prompt = Tokens("prompt"), greedy = Tokens("greedy");
        TokenAssembler assembler = tokenizer.CreateAssembler();
        string wanted = string.Concat(greedy.Select(assembler.Append)) + assembler.Finish();
        foreach (bool copied in (ReadOnlySpan<bool>)[false, true])
        {
            ToolResult result = ToolResult.Of(["generate", "--prompt", tokenizer.Decode(prompt), "--tokens", $"{greedy.Length}", "--codec", "fp32", .. copied ? ["--copy-weights"] : Array.Empty<string>()]);
            Assert.Equal(0, result.ExitCode);
            Assert.Equal(wanted, result.Out.TrimEnd('\r', '\n'));
            Assert.Equal(copied, result.Error.Contains("MiB copied", StringComparison.Ordinal));
        }

        int[] Tokens(string name) => [.. golden.RootElement.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
    }

    [Fact]
    public void TextGoesToStdoutAndFiguresToStderr()
    {
        File.WriteAllText(_folder["prompt.txt"], "Call me");
        ToolResult result = ToolResult.Of("generate", "--text", _folder["prompt.txt"], "--tokens", "5", "--context", "1024", "--keys", "q8", "--values", "turboquant:bits=3");
        Assert.Equal(0, result.ExitCode);
        Assert.NotEqual("", result.Out.Trim());
        string[] lines = result.Error.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.Contains("text: 5 tokens", lines[0], StringComparison.Ordinal);
        Assert.Contains("ended by the limit", lines[0], StringComparison.Ordinal);
        Assert.Contains("(q8 / turboquant:bits=3)", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void DraftsLeaveTheTextAloneAndSayWhatTheyGave()
    {
        string[] command = ["generate", "--prompt", "It was a dark night, and the rain fell. It was a dark night, and the", "--tokens", "60", "--threads", "1"];
        ToolResult without = ToolResult.Of(command), with = ToolResult.Of([.. command, "--draft", "4"]);
        Assert.Equal(without.Out, with.Out);
        Assert.DoesNotContain("guesses", without.Error, StringComparison.Ordinal);
        JsonElement found = ToolResult.JsonOf([.. command, "--draft", "4"]);
        int steps = found.GetProperty("steps").GetInt32(), guesses = found.GetProperty("guesses").GetInt32();
        Assert.InRange(steps, 1, 59);
        Assert.Contains(FormattableString.Invariant($"; {60.0 / steps:0.00} tokens a pass, {60 - steps} of {guesses} guesses right"), with.Error, StringComparison.Ordinal);
        Assert.Equal(2, ToolResult.Of([.. command, "--draft", "65"]).ExitCode);
    }

    [Fact]
    public void FullCacheCodesItsOldestTokensAgain()
    {
        string[] command = ["generate", "--prompt", "It was a dark night, and the rain fell", "--tokens", "900", "--window", "64", "--sinks", "4", "--policy", "quality", "--threads", "1"];
        JsonElement free = ToolResult.JsonOf(command);
        long bytes = free.GetProperty("cacheBytes").GetInt64(), limit = bytes * 4 / 5;
        Assert.Equal(0, free.GetProperty("recodedRows").GetInt64());
        string[] limited = [.. command, "--memory-limit", $"{limit}B"];
        JsonElement found = ToolResult.JsonOf(limited);
        Assert.InRange(found.GetProperty("cacheBytes").GetInt64(), limit / 2, limit);
        Assert.InRange(found.GetProperty("recodedRows").GetInt64(), 100, 4 * 900);
        Assert.Contains("% of the tokens coded again", ToolResult.Of(limited).Error, StringComparison.Ordinal);

        // A floor that is no smaller has nothing to give: what does not fit is refused, and who says so is the layer.
        ToolResult.Of([.. limited, "--floor", "quality", "--json"]).AssertFailed(1, "layer 0 needs", "its share of the cache's limit");
        ToolResult.Of([.. command, "--floor", "tiny"]).AssertFailed(2, "--floor is for a cache with a --memory-limit");
        ToolResult.Of([.. limited, "--floor", "tyni"]).AssertFailed(2, "'tyni' is neither a preset");
        ToolResult.Of([.. command, "--memory-limit", "much"]).AssertFailed(2, "--memory-limit must be a size");
    }

    [Fact]
    public void SameSeedGivesTheSameText()
    {
        string[] command = ["generate", "--prompt", "Call me", "--tokens", "30", "--temperature", "0.9", "--top-k", "50", "--top-p", "0.95", "--seed"];
        string first = Text("7");
        Assert.Equal(first, Text("7"));
        Assert.NotEqual(first, Text("8"));

        string Text(string seed) => ToolResult.JsonOf([.. command, seed]).GetProperty("text").GetString()!;
    }

    [Fact]
    public void BiasesAndPenaltiesReachTheSampler()
    {
        string[] command = ["generate", "--prompt", "It was a dark night, and", "--tokens", "20"];
        string greedy = Text(), biased = Text("--logit-bias", "300=1000");
        Assert.Equal(string.Concat(Enumerable.Repeat(biased[..(biased.Length / 20)], 20)), biased);
        Assert.NotEqual(greedy, Text("--logit-bias", "300=-inf", "--presence-penalty", "9"));
        Assert.Equal(greedy, Text("--min-p", "1", "--temperature", "3"));

        string Text(params string[] more) => ToolResult.JsonOf([.. command, .. more]).GetProperty("text").GetString()!;
    }

    [Fact]
    public void ContextBeyondTheModelsIsWarnedOf()
    {
        ToolResult result = ToolResult.Of("generate", "--prompt", "Call me", "--tokens", "1025", "--context", "1025", "--codec", "fp16", "--json");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("1025 tokens; the model was trained on 1024", Assert.Single(result.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
        JsonElement found = JsonDocument.Parse(result.Out).RootElement;
        Assert.Equal(1025, found.GetProperty("promptTokens").GetInt32() + found.GetProperty("tokens").GetInt32());
    }

    [Fact]
    public void MissingModelFails() => ToolResult.Of("generate", "--prompt", "x", "--model", _folder["none.gguf"]).AssertFailed(1, "none.gguf", "does not exist");

    [Theory]
    [InlineData(1000)]
    [InlineData(3_000_000)]
    public void CutModelFails(int bytes)
    {
        File.WriteAllBytes(_folder["cut.gguf"], File.ReadAllBytes(TempFolder.Model)[..bytes]);
        ToolResult.Of("generate", "--prompt", "x", "--model", _folder["cut.gguf"]).AssertFailed(1, "cut.gguf");
    }

    [Fact]
    public void ModelWithFlippedBytesFails()
    {
        byte[] bytes = File.ReadAllBytes(TempFolder.Model);
        for (int i = 0; i < 64; i++)
            bytes[i] ^= 0xff;
        File.WriteAllBytes(_folder["flipped.gguf"], bytes);
        ToolResult.Of("generate", "--prompt", "x", "--model", _folder["flipped.gguf"]).AssertFailed(1, "flipped.gguf");
    }

    [Fact]
    public void ChatWithoutATemplateFailsWithTheKnownOnes() => ToolResult.Of("generate", "--prompt", "x", "--chat").AssertFailed(1, "mini.gguf", "llama3, chatml");

    [Theory]
    [InlineData("empty")]
    [InlineData("empty", "--prompt", "")]
    [InlineData("--system needs --chat", "--prompt", "x", "--system", "y")]
    [InlineData("--keys and --values together", "--prompt", "x", "--keys", "q8")]
    [InlineData("--codec alone", "--prompt", "x", "--keys", "q8", "--values", "q8", "--codec", "q8")]
    [InlineData("Known: fp32", "--prompt", "x", "--codec", "nonsense")]
    [InlineData("leave it out, or --arithmetic exact", "--prompt", "x", "--copy-weights", "--arithmetic", "exact")]
    [InlineData("no room", "--prompt", "some words", "--context", "2")]
    [InlineData("0 or more", "--prompt", "x", "--temperature", "-1")]
    [InlineData("at most 1", "--prompt", "x", "--top-p", "1.5")]
    [InlineData("0 to 1", "--prompt", "x", "--min-p", "2")]
    [InlineData("found '5'", "--prompt", "x", "--logit-bias", "5")]
    [InlineData("no token 999999", "--prompt", "x", "--logit-bias", "999999=3")]
    public void WrongUsageIsSaid(string words, params string[] args) => ToolResult.Of(["generate", .. args]).AssertFailed(2, words);
}
