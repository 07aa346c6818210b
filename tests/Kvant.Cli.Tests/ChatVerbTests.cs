using Kvant.Chat.Tests;
using Kvant.Cli.Output;

namespace Kvant.Cli.Tests;

/// <summary>chat, with lines for a person.</summary>
public sealed class ChatVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ConversationIsSavedLoadedAndGoesOn()
    {
        (string first, string stats) = Talk("In the beginning\n/stats\n/save " + _folder["c.json"] + "\nAnd God said\n/quit\nnever read\n");
        Assert.Contains("messages are in", stats, StringComparison.Ordinal);
        Assert.Contains("0 of them cached", stats, StringComparison.Ordinal);
        Assert.True(first.Length > 40, first);
        (string again, string loaded) = Talk("/load " + _folder["c.json"] + "\nAnd God said\n");
        Assert.Contains("2 messages of", loaded, StringComparison.Ordinal);
        Assert.True(again.Length > 10 && first.EndsWith(again, StringComparison.Ordinal), $"{first}|{again}");
    }

    [Fact]
    public void FilesThatAreSomethingElseAreNotReplaced()
    {
        File.WriteAllText(_folder["other"], "precious");
        (_, string errors) = Talk("/save " + _folder["other"] + "\n/load " + _folder["other"] + "\n/load " + _folder["none"] + "\n/what\n");
        Assert.Contains("is not replaced", errors, StringComparison.Ordinal);
        Assert.Contains("no conversation of kvant", errors, StringComparison.Ordinal);
        Assert.Contains("known are /save FILE", errors, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(_folder["other"]));
    }

    [Fact]
    public void TurnThatIsRefusedIsTakenBackAndTheConversationGoesOn()
    {
        (string whole, _) = Talk("In the beginning\nAnd God said\n");
        (string without, string errors) = Talk("In the beginning\n" + string.Join(' ', Enumerable.Repeat("qz", 9000)) + "\nAnd God said\n/save " + _folder["c.json"] + "\n");
        Assert.Contains("kvant: the prompt has", errors, StringComparison.Ordinal);
        Assert.Contains("4 messages are in", errors, StringComparison.Ordinal);
        Assert.Equal(whole, without);
    }

    [Fact]
    public void ConversationBelowALimitEndsItsAnswersWhereAllIsAtTheFloor()
    {
        // Room for some hundred tokens: the first answers are whole, a later one is cut, and what no longer fits at all is refused.
        string[] options = ["--tokens", "200", "--window", "0", "--sinks", "0", "--policy", "balanced", "--memory-limit", "500KB", "--floor", "tiny"];
        (string text, string errors) = Talk("In the beginning\n/stats\n" + string.Concat(Enumerable.Repeat("And God said\n/stats\n", 5)), options);
        Assert.Contains("200 written, length", errors, StringComparison.Ordinal);
        Assert.Matches(@"; (?!200 )\d+ written, length", errors);
        Assert.Contains("bytes are needed; caches hold", errors, StringComparison.Ordinal);
        Assert.NotEqual("", text);
        ToolResult.Of("chat", "--model", _folder["model.gguf"], "--store", _folder["store"], "--memory-limit", "1MiB").AssertFailed(2, "--memory-limit codes tokens again");
    }

    [Theory]
    [InlineData("""{"role":"tool","content":"x"}""", "the role 'tool'")]
    [InlineData("""{"role":"user"}""", "no text")]
    [InlineData("""{"content":"x"}""", "the role ''")]
    [InlineData("""{"role":1,"content":"x"}""", "no conversation of kvant")]
    public void MessagesThatNoModelTakesAreNotLoaded(string message, string words)
    {
        File.WriteAllText(_folder["c.json"], $$"""{"kvant.chat":1,"messages":[{"role":"user","content":"In the beginning"},{{message}}]}""");
        (_, string errors) = Talk("/load " + _folder["c.json"] + "\n/save " + _folder["d.json"] + "\n");
        Assert.Contains(words, errors, StringComparison.Ordinal);
        Assert.Contains("0 messages are in", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void ModelMustBeNamed() => ToolResult.Of("chat").AssertFailed(2, "--model is missing");

    private (string Out, string Error) Talk(string lines, string[]? options = null)
    {
        if (!File.Exists(_folder["model.gguf"]))
            ChatModel.Write(_folder["model.gguf"]);
        using var stdout = new StringWriter { NewLine = "\n" };
        using var stderr = new StringWriter { NewLine = "\n" };
        int code = Tool.Run(["chat", "--model", _folder["model.gguf"], .. options ?? ["--store", _folder["store"], "--tokens", "12"]], new Terminal(stdout, stderr, TestContext.Current.CancellationToken) { In = new StringReader(lines) });
        Assert.True(code == 0, stderr.ToString());
        return (stdout.ToString(), stderr.ToString());
    }
}
