using System.Text.RegularExpressions;
using Kvant.Cli.Output;

namespace Kvant.Cli.Tests;

/// <summary>What a terminal shows.</summary>
internal static partial class TerminalText
{
    /// <summary>What is written to one, without its colors.</summary>
    /// <param name="width">Columns of the terminal, or null for a file.</param>
    /// <param name="write">Writes.</param>
    public static string Of(int? width, Action<Terminal> write) => Of(width, TextWriter.Null, write);

    /// <summary>What a command that succeeds writes to one.</summary>
    public static string Of(int? width, string[] args)
    {
        using var error = new StringWriter();
        return Of(width, error, terminal => Assert.True(Tool.Run(args, terminal) == 0, error.ToString()));
    }

    private static string Of(int? width, TextWriter error, Action<Terminal> write)
    {
        using var text = new StringWriter();
        write(new Terminal(text, error, TestContext.Current.CancellationToken, width));
        return Colors().Replace(text.ToString(), "").ReplaceLineEndings("\n");
    }

    [GeneratedRegex("\u001b\\[[0-9;]*m")]
    private static partial Regex Colors();
}
