using System.Text.Json;

namespace Kvant.Cli.Tests;

/// <summary>What a run of the tool gave.</summary>
internal sealed record ToolResult(int ExitCode, string Out, string Error)
{
    /// <summary>Runs the tool in this process.</summary>
    public static ToolResult Of(params string[] args)
    {
        using var stdout = new StringWriter();
        using var stderr = new StringWriter();
        int code = Tool.Run(args, stdout, stderr, TestContext.Current.CancellationToken);
        return new ToolResult(code, stdout.ToString(), stderr.ToString());
    }

    /// <summary>The output of a successful run, as JSON.</summary>
    public static JsonElement JsonOf(params string[] args)
    {
        ToolResult result = Of([.. args, "--json"]);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Equal("", result.Error);
        return JsonDocument.Parse(result.Out).RootElement;
    }

    /// <summary>Asserts that the command did what it was asked to, without a word of error.</summary>
    public void AssertSucceeded() => Assert.Equal((0, ""), (ExitCode, Error));

    /// <summary>Asserts the exit code, an empty output and exactly one line of error that holds these words.</summary>
    public void AssertFailed(int exitCode, params string[] words)
    {
        Assert.Equal("", Out);
        Assert.StartsWith("kvant: ", Error, StringComparison.Ordinal);
        Assert.EndsWith("\n", Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd('\r', '\n').Split('\n'));
        foreach (string word in words)
            Assert.Contains(word, Error, StringComparison.Ordinal);
        Assert.Equal(exitCode, ExitCode);
    }
}
