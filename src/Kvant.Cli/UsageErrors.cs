using System.CommandLine;

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
            return command is RootCommand
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
        result.CommandResult.Command is RootCommand ? "kvant --help" : $"kvant {result.CommandResult.Command.Name} --help";

    public static string UnknownOption(string token, Command command) =>
        $"{Unknown} '{token}'; known: {string.Join(", ", command.Options.Where(o => !o.Hidden).Select(o => o.Name))}";
}
