using System.CommandLine;
using Kvant.Codecs;

namespace Kvant.Cli.Tests;

/// <summary>An option that wants a value gets it every time that it is written.</summary>
public sealed class OptionValueTests
{
    [Fact]
    public void OptionWithoutItsValueIsWrongUsageWhereverItStands()
    {
        int options = 0;
        foreach ((string[] words, Command verb) in CommandTree.Verbs())
        {
            foreach (Option option in verb.Options.Where(o => o.Arity.MinimumNumberOfValues > 0))
            {
                options++;
                string value = option.ValueType == typeof(CodecSpec) || option.ValueType == typeof(CodecSpec[]) ? "q8" : option.Name == "--type" ? "f16" : option.Name == "--memory" ? "8GiB" : "64";
                foreach (string name in option.Aliases.Prepend(option.Name))
                {
                    ToolResult.Of([.. words, name]).AssertFailed(2, "missing");
                    ToolResult.Of([.. words, name, "--json"]).AssertFailed(2, "missing");
                    ToolResult.Of([.. words, name, value, name]).AssertFailed(2, "missing");
                    ToolResult.Of([.. words, name, value, name, "--json"]).AssertFailed(2, "missing");
                    ToolResult.Of([.. words, name, "--json", name, value]).AssertFailed(2, "missing");
                }
            }
        }

        Assert.True(options > 80, $"{options} options have values; the walk has lost some.");
    }

    [Fact]
    public void NameOfAnOptionIsAValueBehindAnEqualsSign() =>
        Assert.Equal(0, ToolResult.Of("generate", "--prompt=--tokens", "--tokens", "1").ExitCode);

    [Theory]
    [InlineData("evaluate", "--report", "")]
    [InlineData("evaluate", "--text", "")]
    [InlineData("evaluate", "--policy", "")]
    [InlineData("generate", "--prompt", "x", "--model", "")]
    [InlineData("tune", "--bits-per-value", "3", "-o", "")]
    public void EmptyNameOfAFileIsWrongUsage(params string[] args) => ToolResult.Of(args).AssertFailed(2, "empty name");
}
