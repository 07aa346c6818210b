using System.CommandLine;

namespace Kvant.Cli.Files;

/// <summary>An option that names a file or several.</summary>
/// <param name="name">The option, with its dashes.</param>
/// <param name="use">What is done with the file.</param>
/// <param name="kind">What kind of file an output is.</param>
/// <param name="aliases">Other names of the option.</param>
internal sealed class FileOption<T>(string name, FileUse use, OutputKind? kind = null, params string[] aliases) : Option<T>(name, aliases), IFileSymbol
{
    public FileUse Use => use;

    public OutputKind? Kind => kind;

    /// <summary>Which file a word means, where it need not be the name of one.</summary>
    public Func<string, string> Resolve { get; init; } = static word => word;

    public IEnumerable<string> Names(ParseResult result) => result.GetResult(this)?.Tokens.Select(t => Resolve(t.Value)) ?? [];
}
