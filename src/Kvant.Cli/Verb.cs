using System.CommandLine;
using Kvant.Cli.Files;
using Kvant.Cli.Output;

namespace Kvant.Cli;

/// <summary>A command of the tool: one class, one file in <c>Verbs</c>. Its help ends in examples.</summary>
internal abstract class Verb : Command
{
    private readonly Option<bool> _json = CommonOptions.Json(), _force = CommonOptions.Force();

    /// <summary>A command; the derived class adds its arguments and options.</summary>
    /// <param name="name">The word behind <c>kvant</c>.</param>
    /// <param name="summary">What it does, one sentence.</param>
    protected Verb(string name, string summary)
        : base(name, summary)
    {
    }

    /// <summary>What else a newcomer should know; <c>--help</c> shows it.</summary>
    public abstract string Details { get; }

    /// <summary>Complete command lines, shown last.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    /// <summary>The files of the command, checked; outputs are written through it.</summary>
    protected CommandFiles Files { get; private set; } = null!;

    /// <summary>Makes the command write to a terminal.</summary>
    public Verb On(Terminal terminal)
    {
        Options.Add(_json);
        bool writes = Options.OfType<IFileSymbol>().Any(o => o.Use == FileUse.Output);
        if (writes)
            Options.Add(_force);
        SetAction(result =>
        {
            using var files = CommandFiles.Of(result, writes && result.GetValue(_force));
            Files = terminal.State.Files = files;
            Run(result, terminal, result.GetValue(_json));
            return Tool.Success;
        });
        return this;
    }

    /// <summary>Does what the command is for; failure is an exception.</summary>
    /// <param name="result">The arguments and options.</param>
    /// <param name="terminal">Where to write.</param>
    /// <param name="json">Whether to write JSON.</param>
    protected abstract void Run(ParseResult result, Terminal terminal, bool json);
}
