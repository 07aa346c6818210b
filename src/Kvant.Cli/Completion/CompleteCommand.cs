using System.CommandLine;
using Kvant.Cli.Output;

namespace Kvant.Cli.Completion;

/// <summary>
/// <c>kvant complete -- =CURRENT WORD...</c>: what the scripts of <c>kvant completion</c> ask. The word that is being written comes first, behind a sign, for some shells drop
/// an argument that is empty. One line per answer: the word, a tab, what it means.
/// </summary>
internal sealed class CompleteCommand : Command
{
    private readonly Argument<string[]> _words = new("WORDS") { Arity = ArgumentArity.ZeroOrMore };

    /// <summary>The command.</summary>
    /// <param name="terminal">Where to write.</param>
    public CompleteCommand(Terminal terminal)
        : base("complete", "Answers the scripts of 'kvant completion'.")
    {
        Hidden = true;
        Add(_words);
        SetAction(result =>
        {
            if (result.GetValue(_words) is not [['=', .. var current], .. var before])
                throw new UsageException("the word to complete is missing: kvant complete -- =CURRENT WORD...");
            foreach ((string word, string summary) in Completions.Of(result.RootCommandResult.Command, before, current))
                terminal.Out.WriteLine(summary.Length > 0 ? $"{word}\t{summary}" : word);
            return Tool.Success;
        });
    }
}
