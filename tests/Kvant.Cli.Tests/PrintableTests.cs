using System.Text.Json;
using Kvant.Cli.Output;

namespace Kvant.Cli.Tests;

/// <summary>What comes out of files reaches the terminal as text, not as orders to it.</summary>
public sealed class PrintableTests : IDisposable
{
    private const string Hostile = "a\u001b]0;owned\u0007\u009b31m\u202egpj.exe\u2066";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryControlAndOverrideIsShown()
    {
        for (int c = 0; c < 0x2100; c++)
        {
            string text = $"x{(char)c}y";
            bool isUnsafe = (char.IsControl((char)c) && c is not ('\n' or '\t')) || c is (>= 0x202a and <= 0x202e) or (>= 0x2066 and <= 0x2069) or 0x2028 or 0x2029;
            Assert.Equal(isUnsafe ? $"x\\u{c:x4}y" : text, Printable.Of(text));
        }

        Assert.Equal("a\\u000ab", Printable.Line("a\nb"));
    }

    [Fact]
    public void NameOfAFileCannotWriteToTheTerminal()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such names.");
        string trace = _folder[Hostile + "\nchecksums  ok"];
        ToolResult.Of("inspect", trace).AssertFailed(1, "a\\u001b]0;owned\\u0007\\u009b31m\\u202egpj.exe");
        File.Copy(TempFolder.Trace, trace);
        string cache = _folder["c" + Hostile + "\nchecksums  no"];
        ToolResult.Of("compress", trace, "-o", cache, "--keys", "q8", "--values", "q8").AssertSucceeded();
        string shown = ToolResult.Of("inspect", cache).Out;
        AssertPrintable(shown);
        Assert.Single(shown.Split('\n'), line => line.StartsWith("checksums", StringComparison.Ordinal));
        ToolResult json = ToolResult.Of("inspect", cache, "--json");
        AssertPrintable(json.Out);
        Assert.Equal(cache, JsonDocument.Parse(json.Out).RootElement.GetProperty("file").GetString());
        AssertPrintable(ToolResult.Of("inspect", "--" + Hostile).Error);
        AssertPrintable(ToolResult.Of(Hostile).Error);
    }

    // A tool that writes what it reads: names of tensors, of metadata and of their values, in errors and in tables.
    [Fact]
    public void NamesWithinFilesCannotWriteToTheTerminal()
    {
        byte[] header = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>
        {
            ["__metadata__"] = new Dictionary<string, string> { ["kvant.trace"] = Hostile },
            [Hostile] = new { dtype = "F32", shape = new[] { 1 }, data_offsets = new[] { 0, 4 } },
        });
        File.WriteAllBytes(_folder["t"], [.. BitConverter.GetBytes((long)header.Length), .. header, 0, 0, 0, 0]);
        foreach (string[] args in (string[][])[["evaluate", _folder["t"]], ["inspect", _folder["t"]], ["decompress", _folder["t"], "-o", _folder["o"]]])
        {
            ToolResult result = ToolResult.Of(args);
            Assert.Equal(1, result.ExitCode);
            AssertPrintable(result.Error);
        }
    }

    [Fact]
    public void TextOfAModelIsKeptForFilesAndShownToTerminals()
    {
        using var text = new StringWriter();
        Assert.Same(text, new Terminal(text, TextWriter.Null, default).Text);
        var terminal = new Terminal(text, TextWriter.Null, default, outWidth: 80);
        terminal.Text.Write("one\u001b[2J\ntwo\t");
        terminal.Text.Write('\u009b');
        Assert.Equal("one\\u001b[2J\ntwo\t\\u009b", text.ToString());
    }

    private static void AssertPrintable(string text) => Assert.DoesNotContain(text, c => (char.IsControl(c) && c is not ('\n' or '\t' or '\r')) || c is '\u202e' or '\u2066');
}
