using System.CommandLine;
using System.CommandLine.Parsing;

namespace Kvant.Cli;

/// <summary>Turns what the parser says into one line that says what to do.</summary>
internal static class UsageErrors
{
    private const string Unknown = "unknown option";

    public static string Describe(ParseResult result)
    {
        Command command = result.CommandResult.Command;
        // An unknown option may have taken an argument's place and moved the others.
        if (result.Errors.FirstOrDefault(e => e.Message.StartsWith(Unknown, StringComparison.Ordinal)) is { } error)
            return error.Message;
        if (result.UnmatchedTokens.Count > 0)
        {
            string token = result.UnmatchedTokens[0];
            if (token.StartsWith('-'))
                return UnknownOption(token, command);
            return command.Subcommands.Count > 0
                ? $"unknown command '{token}'; known: {string.Join(", ", command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name))}"
                : $"'{token}' is one argument too many";
        }

        foreach (Argument argument in command.Arguments)
        {
            if (argument.Arity.MinimumNumberOfValues > 0 && (result.GetResult(argument)?.Tokens.Count ?? 0) == 0)
                return $"the argument {argument.Name} is missing";
        }

        return result.Errors[0].Message.TrimEnd('.');
    }

    /// <summary>What is wrong where an option stands without its value, at the end or before another option; null where nothing is.</summary>
    /// <remarks>The parser takes the other option for the value, and is content with a value that the same option had before. A text that is
    /// the name of an option can be given as <c>--prompt=--tokens</c>.</remarks>
    public static string? MissingValue(ParseResult result, IReadOnlyList<string> args)
    {
        var options = new Dictionary<string, Option>();
        for (CommandResult? command = result.CommandResult; command is not null; command = command.Parent as CommandResult)
        {
            foreach (Option option in command.Command.Options)
            {
                foreach (string name in option.Aliases.Prepend(option.Name))
                    options.TryAdd(name, option);
            }
        }

        for (int i = 0; i < args.Count && args[i] != "--"; i++)
        {
            if (!options.TryGetValue(args[i], out Option? option) || option.Arity.MinimumNumberOfValues == 0)
                continue;
            if (i + 1 == args.Count || options.ContainsKey(args[i + 1]))
                return $"a value of {option.Name} is missing";
            i++;
        }

        return null;
    }

    public static string HelpCommand(ParseResult result) =>
        $"{Path(result.CommandResult)} --help";

    // The words of the command, as a user writes them.
    private static string Path(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "kvant";

    public static string UnknownOption(string token, Command command) =>
        $"{Unknown} '{token}'; known: {string.Join(", ", command.Options.Where(o => !o.Hidden).Select(o => o.Name))}";
}
