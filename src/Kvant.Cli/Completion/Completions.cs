using System.CommandLine;
using System.CommandLine.Completions;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Pulling;
using Kvant.Codecs;

namespace Kvant.Cli.Completion;

/// <summary>What may stand at a place of a command line: commands, options, presets, specs and their settings. Names of files are the shell's own matter.</summary>
internal static class Completions
{
    /// <summary>The words that begin as the one that is being written, each with what it means; none where a file is wanted, or nobody knows.</summary>
    /// <param name="root">The tree of commands.</param>
    /// <param name="before">The words behind <c>kvant</c> that are there already.</param>
    /// <param name="current">The word that is being written, which may be empty.</param>
    public static IEnumerable<(string Word, string Summary)> Of(Command root, IReadOnlyList<string> before, string current)
    {
        Command command = root;
        Option? open = null;
        foreach (string word in before)
        {
            if (open is not null)
                open = null; // its value
            else if (Find(command, word) is { } option)
                open = option.Arity.MinimumNumberOfValues > 0 ? option : null;
            else
                command = command.Subcommands.FirstOrDefault(c => c.Name == word) ?? command;
        }

        // --policy=balanced
        if (open is null && current.StartsWith("--", StringComparison.Ordinal) && current.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals)
        {
            return Find(command, current[..equals]) is not { } named ? [] : Values(named, current[(equals + 1)..])
                .Select(value => (Word: $"{current[..(equals + 1)]}{value.Word}", value.Summary)).Where(c => c.Word.StartsWith(current, StringComparison.Ordinal));
        }

        IEnumerable<(string Word, string Summary)> all = open is not null ? Values(open, current)
            : current.StartsWith('-') ? Options(root, command)
            : command.Subcommands.Count > 0 ? command.Subcommands.Where(c => !c.Hidden).Select(c => (c.Name, c.Description ?? ""))
            : command.Arguments.Count == 0 ? Options(root, command)
            : command.Arguments.SelectMany(a => a.GetCompletions(CompletionContext.Empty)).Select(c => (c.Label, ""));
        return all.Where(c => c.Word.StartsWith(current, StringComparison.Ordinal));
    }

    private static Option? Find(Command command, string word) => command.Options.FirstOrDefault(o => o.Name == word || o.Aliases.Contains(word));

    private static IEnumerable<(string, string)> Options(Command root, Command command) => command.Options.Concat(root.Options.Where(o => o.Recursive))
        .Where(o => !o.Hidden).DistinctBy(o => o.Name).Select(o => (o.Name, o.Description ?? ""));

    private static IEnumerable<(string Word, string Summary)> Values(Option option, string current)
    {
        // Models that were pulled; before a letter is there the shell names files.
        if (option is IFileSymbol { Name: "--model" })
            return current.Length == 0 ? [] : ModelFolder.Names().Select(name => (name, "pulled"));
        if (option is IFileSymbol file)
            return file.Use == FileUse.Policy ? CachePreset.All.Select(p => (p.Name, $"keys {p.Keys}, values {p.Values}")) : [];
        if (option.ValueType == typeof(CodecSpec) || option.ValueType == typeof(CodecSpec[]))
            return Specs(current);
        // Words with bars between are all that such an option takes.
        IEnumerable<string> named = option.HelpName is { } help && help.Contains('|', StringComparison.Ordinal)
            ? help.Split('|')
            : option.GetCompletions(CompletionContext.Empty).Select(c => c.Label);
        return named.Select(word => (word, ""));
    }

    // A method's name; behind its colon and behind each comma a setting that is not there yet; behind the equals sign what it may be.
    private static IEnumerable<(string, string)> Specs(string current)
    {
        if (!current.Contains(':', StringComparison.Ordinal))
        {
            return CodecCatalog.Methods.SelectMany(m => (IEnumerable<(string, string)>)(
                m.Name == current && m.Settings.Count > 0 ? [(m.Name, m.Summary), (m.Name + ":", "and settings")] : [(m.Name, m.Summary)]));
        }

        if (CodecCatalog.Methods.FirstOrDefault(m => current.StartsWith(m.Name + ":", StringComparison.Ordinal)) is not { } method)
            return [];
        int begin = current.LastIndexOfAny([':', ',']) + 1;
        string before = current[..begin], setting = current[begin..];
        if (setting.Contains('=', StringComparison.Ordinal))
        {
            return method.Settings.Where(s => setting.StartsWith(s.Name + "=", StringComparison.Ordinal))
                .SelectMany(s => s.Choices.Select(choice => ($"{before}{s.Name}={choice}", s.Summary)));
        }

        string[] given = [.. before[(method.Name.Length + 1)..].Split(',').Select(s => s.Split('=')[0])];
        return method.Settings.Where(s => !given.Contains(s.Name)).Select(s => ($"{before}{s.Name}=", $"{s.Allowed}: {s.Summary}"));
    }
}
