using System.CommandLine;

namespace Kvant.Cli.Files;

/// <summary>An option or an argument that names a file, and says what for: <see cref="CommandFiles"/> reads it off the command.</summary>
internal interface IFileSymbol
{
    /// <summary>What is done with the file.</summary>
    FileUse Use { get; }

    /// <summary>What kind of file an output is; null for an input.</summary>
    OutputKind? Kind { get; }

    /// <summary>As the user writes it.</summary>
    string Name { get; }

    /// <summary>The names that a command line gives; none where it leaves the symbol out.</summary>
    IEnumerable<string> Names(ParseResult result);
}
