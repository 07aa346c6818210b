namespace Kvant.Cli.Tests;

/// <summary>What every command has in common: help, version, and what wrong usage looks like.</summary>
public sealed class FrameTests
{
    public static TheoryData<string> Verbs => ["evaluate", "measure", "plan", "bench attention", "bench encode", "bench prefill", "codecs", "codebook", "compress", "decompress", "inspect"];

    [Fact]
    public void NoArgumentsShowsHelp()
    {
        ToolResult result = ToolResult.Of();
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Usage:", result.Out, StringComparison.Ordinal);
        Assert.Equal("", result.Error);
    }

    [Fact]
    public void VersionIsOneLineWithoutACommit()
    {
        ToolResult result = ToolResult.Of("--version");
        Assert.Matches(@"^kvant \d+\.\d+\.\d+(-[0-9a-z.]+)?\r?\n$", result.Out);
        Assert.Equal(0, result.ExitCode);
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public void HelpEndsInAnExampleOfTheVerb(string verb)
    {
        ToolResult result = ToolResult.Of([.. verb.Split(' '), "--help"]);
        Assert.Equal(0, result.ExitCode);
        int example = result.Out.LastIndexOf("Example", StringComparison.Ordinal);
        Assert.True(example > result.Out.IndexOf("Options:", StringComparison.Ordinal));
        Assert.Contains($"kvant {verb}", result.Out[example..], StringComparison.Ordinal);
        Assert.Contains("--json", result.Out, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public void HelpOfTheToolListsTheVerb(string verb) => Assert.Matches($@"\n  {verb.Split(' ')[0]}\b", ToolResult.Of("--help").Out);

    [Fact]
    public void HelpOfTheToolMarksOptionalArguments()
    {
        string help = ToolResult.Of("--help").Out;
        foreach (string words in (string[])["evaluate [TRACE]", "measure [VECTORS.npy]", "compress <TRACE>", "inspect <FILE>"])
            Assert.Contains(words, help, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public void UnknownOptionIsWrongUsage(string verb) => ToolResult.Of([.. verb.Split(' '), "--nonsense"]).AssertFailed(2, "--nonsense", $"kvant {verb} --help");

    [Theory]
    [MemberData(nameof(Verbs))]
    public void TooManyArgumentsAreWrongUsage(string verb) => ToolResult.Of([.. verb.Split(' '), "a", "b", "c"]).AssertFailed(2, "too many");

    [Fact]
    public void UnknownVerbListsTheKnownOnes() => ToolResult.Of("nonsense").AssertFailed(2, "'nonsense'", "codecs", "evaluate", "kvant --help");

    [Fact]
    public void ResponseFilesAreNotRead() => ToolResult.Of("@nonsense").AssertFailed(2, "'@nonsense'");

    [Fact]
    public void FaultOfTheToolIsOneLineWithoutAStackTrace()
    {
        using var stdout = new BrokenWriter(new InvalidTimeZoneException("first\n   at second"));
        using var stderr = new StringWriter();
        int code = Tool.Run(["codebook"], stdout, stderr);
        new ToolResult(code, "", stderr.ToString()).AssertFailed(1, "please report it: InvalidTimeZoneException: first at second");
    }

    [Fact]
    public void FullDiskIsAFailure()
    {
        using var stdout = new BrokenWriter(new IOException("No space left on device"));
        using var stderr = new StringWriter();
        int code = Tool.Run(["codebook"], stdout, stderr);
        new ToolResult(code, "", stderr.ToString()).AssertFailed(1, "kvant: no space left on device");
    }

    [Fact]
    public void ErrorThatCannotBeWrittenStillHasItsExitCode()
    {
        using var broken = new BrokenWriter(new IOException("No space left on device"));
        Assert.Equal(2, Tool.Run(["nonsense"], broken, broken));
    }

    private sealed class BrokenWriter(Exception error) : StringWriter
    {
        public override void WriteLine(string? value) => throw error;
    }
}
