using System.CommandLine;
using Kvant.Cli.Completion;
using Kvant.Cli.Output;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant completion</c>: a script that lets a shell complete command lines.</summary>
internal sealed class CompletionVerb : Verb
{
    private readonly Argument<string> _shell = new Argument<string>("SHELL") { Description = "bash, zsh, fish or pwsh." }.AcceptOnlyFromAmong([.. CompletionScripts.All.Keys]);

    private static readonly Column<string>[] Fields =
    [
        Column<string>.OfText("shell", "", shell => shell),
        Column<string>.OfText("script", "", shell => CompletionScripts.All[shell]),
    ];

    public CompletionVerb()
        : base("completion", "Print a script that completes command lines in a shell.") => Add(_shell);

    public override string Details => """
            The script completes commands, options, presets, codec specs with their settings, and files. It asks kvant itself, so a newer
            version needs no newer script. For one session: source <(kvant completion bash) or source <(kvant completion zsh);
            kvant completion fish | source; kvant completion pwsh | Out-String | Invoke-Expression. For every session: put that line into ~/.bashrc,
            ~/.zshrc (behind compinit) or $PROFILE, or keep the script as the examples do.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant completion bash > ~/.local/share/bash-completion/completions/kvant",
        "kvant completion zsh > ~/.zfunc/_kvant",
        "kvant completion fish > ~/.config/fish/completions/kvant.fish",
        "kvant completion pwsh >> $PROFILE",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string shell = result.GetRequiredValue(_shell);
        if (json)
            Json.WriteRow(terminal, Fields, shell);
        else
            terminal.Out.Write(CompletionScripts.All[shell]);
    }
}
