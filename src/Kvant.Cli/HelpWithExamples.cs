using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Kvant.Cli.Output;

namespace Kvant.Cli;

/// <summary>The help of System.CommandLine, followed by the details and examples of the command.</summary>
internal sealed class HelpWithExamples : SynchronousCommandLineAction
{
    private const int FileWidth = 120;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        TextWriter output = parseResult.InvocationConfiguration.Output;
        using var text = new StringWriter();
        parseResult.InvocationConfiguration.Output = text;
        int? width = (output as PrintableWriter)?.Width;
        int code = new HelpAction { MaxWidth = width ?? int.MaxValue }.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output = output;
        output.Write(AsWritten(MarkOptional(text.ToString(), parseResult.CommandResult.Command), parseResult.CommandResult.Command));
        if (parseResult.CommandResult.Command is not Verb verb)
        {
            string group = parseResult.CommandResult.Command is VerbGroup { Name: var name } ? $"{name} " : "";
            if (group.Length == 0)
                output.WriteLine("Start here: 'kvant evaluate' compares the methods on the keys and values that ship with the tool.");
            output.WriteLine($"'kvant {group}COMMAND --help' explains a command and ends in examples.");
            output.WriteLine();
            return code;
        }

        if (verb.Details.Length > 0)
        {
            output.WriteLine("Details:");
            foreach (string paragraph in verb.Details.ReplaceLineEndings("\n").Split("\n\n"))
            {
                foreach (string line in Words.Wrap("  " + paragraph.Replace('\n', ' '), width ?? FileWidth))
                    output.WriteLine(line);
                output.WriteLine();
            }
        }

        output.WriteLine(verb.Examples.Count == 1 ? "Example:" : "Examples:");
        foreach (string example in verb.Examples)
            output.Write($"  {example}{output.NewLine}"); // in one piece, to be copied
        output.WriteLine();
        return code;
    }

    // The list of commands does not say which arguments may be left out, though the help of a command does.
    private static string MarkOptional(string help, Command command)
    {
        foreach (Command verb in command.Subcommands)
        {
            foreach (Argument argument in verb.Arguments.Where(a => a.Arity.MinimumNumberOfValues == 0))
                help = help.Replace($"  {verb.Name} <{argument.Name}>", $"  {verb.Name} [{argument.Name}]", StringComparison.Ordinal);
        }

        return help;
    }

    // A default that is one of a few words is shown as it is written.
    private static string AsWritten(string help, Command command)
    {
        foreach (Option option in command.Options.Where(o => o.HasDefaultValue && o.ValueType.IsEnum))
            help = help.Replace($"[default: {option.GetDefaultValue()}]", $"[default: {option.GetDefaultValue()}]".ToLowerInvariant(), StringComparison.Ordinal);
        return help;
    }
}
