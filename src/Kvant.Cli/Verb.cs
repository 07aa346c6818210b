using System.CommandLine;

namespace Kvant.Cli;

/// <summary>A command of the tool. Its help ends in examples.</summary>
internal sealed class Verb(string name, string summary) : Command(name, summary)
{
    /// <summary>What else a newcomer should know, as paragraphs; shown by <c>--help</c> only.</summary>
    public string Details { get; init; } = "";

    /// <summary>Complete command lines, shown last.</summary>
    public required IReadOnlyList<string> Examples { get; init; }
}
