using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace Kvant.Cli.Tests;

/// <summary>A command as a page of the documents has it, after bash has made words of it.</summary>
/// <param name="Page">The page, from the root of the repository.</param>
/// <param name="IsMention">Whether it stands inside a sentence, where arguments may be left out.</param>
/// <param name="Words">The program and its arguments.</param>
internal sealed partial record DocumentCommand(string Page, bool IsMention, string[] Words)
{
    private const string ToolProject = "src/Kvant.Cli";

    // Where pages let shells write.
    private static readonly string[] s_home = [".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"];

    /// <summary>The folder that holds all pages.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The arguments of kvant, installed or run by <c>dotnet run</c>; null where it is another program.</summary>
    public string[]? ToolArguments => Words[0] == "kvant" ? Words[1..] : Project == ToolProject && Words.IndexOf("--") is > 0 and var dashes ? Words[(dashes + 1)..] : null;

    /// <summary>The project that <c>dotnet run</c> is given.</summary>
    public string? Project => Words is ["dotnet", "run", ..] && Words.IndexOf("--project") is > 0 and var option ? Words[option + 1] : null;

    /// <summary>Pages that show commands.</summary>
    public static IEnumerable<string> Pages() => ((IEnumerable<string>)["README.md", "CONTRIBUTING.md", "samples/README.md"])
        .Concat(Directory.GetFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories))
        .Concat(Directory.GetDirectories(Path.Combine(Root, "src")).Select(project => Path.Combine(project, "README.md")).Where(File.Exists))
        .Select(path => Path.GetRelativePath(Root, Path.Combine(Root, path)))
        // Lists of members, made by a tool.
        .Where(page => page != Path.Combine("docs", "api.md") && page != Path.Combine("docs", "api-engines.md")).Order(StringComparer.Ordinal);

    /// <summary>The commands of some pages. Loops and variables are bash's; programs are functions that say what they were called with. No other program is found, and what a page
    /// writes to the reader's home comes to a folder that goes again.</summary>
    public static IReadOnlyList<DocumentCommand> Read(IEnumerable<string> pages)
    {
        using var folder = new TempFolder();
        foreach (string place in s_home)
            Directory.CreateDirectory(folder[Path.Combine("home", place)]);
        foreach (string part in (string[])["docs", "models", "samples", "src"])
            Directory.CreateSymbolicLink(folder[part], Path.Combine(Root, part));
        var script = new StringBuilder("shopt -s extdebug\ntrap '[[ $BASH_COMMAND != /* && $BASH_COMMAND != *=*\\ /* ]]' DEBUG\nsaid() { printf '%s\\0' \"$kind\" \"$page\" \"$@\" $'\\n' >&3; }\ngit() { :; }\nfor program in kvant dotnet $(cd \"$1\"; echo eng/*.*); do eval \"$program() { said $program \\\"\\$@\\\"; }\"; done\n");
        foreach (string page in pages)
        {
            script.Append("page=").Append(page).Append("\nkind=block\n");
            string text = File.ReadAllText(Path.Combine(Root, page));
            foreach (string line in BlockLines(text))
                script.Append(line).Append('\n');
            script.Append("kind=mention\n");
            foreach (Match span in Spans().Matches(Block().Replace(text, "")))
                script.Append(span.Groups[1].Value.Replace("\\|", "|", StringComparison.Ordinal)).Append('\n');
        }

        File.WriteAllText(folder["script"], script.ToString());
        var start = new ProcessStartInfo("bash", ["-c", "exec 3> said; source ./script \"$0\" < /dev/null > /dev/null", Root]) { WorkingDirectory = folder["."], RedirectStandardError = true };
        start.Environment.Clear();
        (start.Environment["HOME"], start.Environment["PROFILE"], start.Environment["PATH"]) = (folder["home"], folder["home/profile"], folder["none"]);
        using Process bash = Process.Start(start)!;
        string error = bash.StandardError.ReadToEnd();
        bash.WaitForExit();
        Assert.False(error.Contains("syntax error", StringComparison.Ordinal) || error.Contains(": eng/", StringComparison.Ordinal), error);
        return [.. File.ReadAllText(folder["said"]).Split("\n\0", StringSplitOptions.RemoveEmptyEntries).Select(said => said.Split('\0')[..^1]).Select(w => new DocumentCommand(w[1], w[0] == "mention", w[2..]))];
    }

    /// <summary>As a page has it.</summary>
    public override string ToString() => $"{Page}: {string.Join(' ', Words)}";

    // Commands of a block, without what stands behind them in words.
    private static IEnumerable<string> BlockLines(string text)
    {
        bool goesOn = false;
        foreach (Match block in Block().Matches(text))
        {
            string line = block.Value.Trim();
            if (goesOn || CommandLine().IsMatch(line))
            {
                goesOn = line.EndsWith('\\');
                yield return line.StartsWith('$') || line.Contains('=') && char.IsUpper(line[0]) ? line : Remark().Replace(line, "$1");
            }
        }
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvant.slnx")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException($"No Kvant.slnx above {AppContext.BaseDirectory}.");
    }

    [GeneratedRegex(@"^ {4,}\S.*$", RegexOptions.Multiline)]
    private static partial Regex Block();

    [GeneratedRegex(@"^(kvant |dotnet |eng/|\$K |[A-Z]=|for \w+ in .*; do |DOTNET_\w+=\S+ )")]
    private static partial Regex CommandLine();

    [GeneratedRegex(@"^(.*?\S) {2,}\S.*$")]
    private static partial Regex Remark();

    [GeneratedRegex(@"(?<!`)`((?:DOTNET_\w+=\S+ )?(?:kvant |dotnet (?:run|build|pack|test|tool) |eng/\w)[^`\n]*)`(?!`)")]
    private static partial Regex Spans();
}
