using System.Text.RegularExpressions;

namespace Kvant.Cli.Tests;

/// <summary>Every command in terminals of 120 and of 80 columns writes the words that it writes into a file.</summary>
public sealed partial class TerminalWidthTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void NoCommandCutsAWord()
    {
        string trace = _folder["a trace with a name.safetensors"], cache = _folder["cache.kvant"];
        string[] few = ["--codec", "turboquant:bits=2,scale=unbiased,search=16", "--policy", "tiny"];
        string[][] commands =
        [
            ["codecs"],
            ["codebook", "--bits", "2"],
            ["plan", "--memory", "8GiB"],
            ["measure", "--rows", "128", "--dimension", "64", .. few],
            ["trace", "-o", trace, "--tokens", "200"],
            ["evaluate", trace, .. few],
            ["evaluate", "--context", "96", "--chunks", "1", "--parts", .. few],
            ["tune", trace, "--bits-per-value", "3", "--keys", "turboquant:bits=2", "--keys", "q8", "--values", "turboquant:bits=2,scale=unbiased", "--values", "q8"],
            ["compress", trace, "-o", cache, "--policy", "tiny"],
            ["inspect", cache],
            ["decompress", cache, "-o", _folder["back.safetensors"]],
            ["bench", "attention", "--tokens", "256", "--seconds", "0.01", "--kv-heads", "1", "--group", "1", .. few],
            ["bench", "encode", "--appends", "50", "--seconds", "0.01", "--kv-heads", "1", .. few],
            ["bench", "prefill", "--tokens", "64", "--seconds", "0.01", "--kv-heads", "1", "--group", "1", .. few],
            ["bench", "decode", "--tokens", "128", "--seconds", "0.01", "--layers", "1", "--kv-heads", "1", "--group", "1", "--width", "32", "--feed-forward", "32", "--dimension", "32", .. few],
            .. CommandTree.Verbs().Select(v => (string[])[.. v.Words, "--help"]),
        ];
        foreach (string[] command in commands)
        {
            HashSet<string> words = [.. Words(TerminalText.Of(null, command)).SelectMany(word => (string[])[word, .. JointsOf(word)])];
            foreach (int width in (int[])[120, 80])
            {
                string text = TerminalText.Of(width, command);
                // A file has all columns.
                Assert.All(Words(string.Join('\n', text.Split('\n').Where(line => !line.Contains("in a wider terminal", StringComparison.Ordinal)))), word => Assert.True(words.Contains(word) || Timing().IsMatch(word), $"'{word}' is no word of '{string.Join(' ', command)}' at {width} columns:\n{text}"));
                // Commands to copy and names of files stay in one piece, whatever the width.
                Assert.All(text.Split('\n'), line => Assert.True(
                    line.TrimEnd().Length <= width || line.StartsWith("  kvant ", StringComparison.Ordinal) || Words(line).Any(w => w.Length > width / 2), $"{line.Length} columns: {line}"));
            }
        }

        static IEnumerable<string> JointsOf(string word) => word.Contains(',', StringComparison.Ordinal) ? Combinations(word.Replace(",", ", ", StringComparison.Ordinal).Split(' ')) : [];
    }

    private static string[] Words(string text) => text.Split((char[])[' ', '\n', '\r', '─'], StringSplitOptions.RemoveEmptyEntries);

    // Neighboring parts of a spec that stand on one line.
    private static IEnumerable<string> Combinations(string[] parts) =>
        Enumerable.Range(0, parts.Length).SelectMany(first => Enumerable.Range(1, parts.Length - first).Select(count => string.Concat(parts[first..(first + count)])));

    // Speeds are others in every run; the tables' own tests see to numbers.
    [GeneratedRegex(@"^(\d+(\.\d+)?(e-?\d+)?|\d+)$")]
    private static partial Regex Timing();
}
