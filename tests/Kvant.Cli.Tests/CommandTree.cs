using System.CommandLine;
using Kvant.Cli.Output;

namespace Kvant.Cli.Tests;

/// <summary>Every command of the tool, for tests of what all have in common.</summary>
internal static class CommandTree
{
    /// <summary>The verbs with the words that call them.</summary>
    public static IEnumerable<(string[] Words, Command Verb)> Verbs()
    {
        return Under([], Tool.CreateRoot(new Terminal(TextWriter.Null, TextWriter.Null, default)));

        static IEnumerable<(string[], Command)> Under(string[] words, Command command) => command.Subcommands.SelectMany(
            c => (IEnumerable<(string[], Command)>)(c is Verb ? [([.. words, c.Name], c)] : Under([.. words, c.Name], c)));
    }
}
