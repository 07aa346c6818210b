using System.CommandLine;

namespace Kvant.Cli.Files;

/// <summary>An argument that names a file to read.</summary>
internal sealed class FileArgument<T>(string name) : Argument<T>(name), IFileSymbol
{
    public FileUse Use => FileUse.Input;

    public OutputKind? Kind => null;

    public IEnumerable<string> Names(ParseResult result) => result.GetResult(this)?.Tokens.Select(t => t.Value) ?? [];
}
