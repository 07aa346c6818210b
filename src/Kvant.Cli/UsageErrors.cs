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
                ? $"unknown command '{token}'; known: {string.Join(", ", command.Subcommands.Select(c => c.Name))}"
                : $"'{token}' is one argument too many";
        }

        foreach (Argument argument in command.Arguments)
        {
            if (argument.Arity.MinimumNumberOfValues > 0 && (result.GetResult(argument)?.Tokens.Count ?? 0) == 0)
                return $"the argument {argument.Name} is missing";
        }

        return result.Errors[0].Message.TrimEnd('.');
    }

    public static string HelpCommand(ParseResult result) =>
        $"{Path(result.CommandResult)} --help";

    // The words of the command, as a user writes them.
    private static string Path(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "kvant";

    public static string UnknownOption(string token, Command command) =>
        $"{Unknown} '{token}'; known: {string.Join(", ", command.Options.Where(o => !o.Hidden).Select(o => o.Name))}";
}
