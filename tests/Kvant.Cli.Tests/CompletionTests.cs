using System.Diagnostics;
using Kvant.Caching;
using Kvant.Cli.Completion;
using Kvant.Cli.Output;
using Kvant.Codecs;

namespace Kvant.Cli.Tests;

/// <summary>What shells offer: by the answers of the tool, and by the shells that are installed.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("ev", "evaluate")]
    [InlineData("comp", "compress", "completion")] // and not 'complete', which scripts ask
    [InlineData("bench ", "attention", "encode", "prefill", "decode")]
    [InlineData("plan --pol", "--policy")]
    [InlineData("plan --codec fp16 --dra", "--drafts")]
    [InlineData("evaluate --policy b", "balanced")]
    [InlineData("evaluate --policy=b", "--policy=balanced")]
    [InlineData("measure --codec=kivi:group=1", "--codec=kivi:group=16", "--codec=kivi:group=128")]
    [InlineData("evaluate --nonsense=b")]
    [InlineData("evaluate --text b")]
    [InlineData("evaluate b")]
    [InlineData("generate --arithmetic ", "exact", "fast")]
    [InlineData("trace --type ", "f16", "f32")]
    [InlineData("bench decode --weights Q4_", "Q4_0", "Q4_1", "Q4_K")]
    [InlineData("completion z", "zsh")]
    [InlineData("measure --codec kiv", "kivi")]
    [InlineData("measure --codec kivi", "kivi", "kivi:")]
    [InlineData("measure --codec kivi:", "kivi:bits=", "kivi:group=")]
    [InlineData("measure --codec kivi:group=64,", "kivi:group=64,bits=")]
    [InlineData("measure --codec kivi:group=1", "kivi:group=16", "kivi:group=128")]
    [InlineData("measure --codec nonsense:")]
    [InlineData("measure --rows ")]
    public void OffersWhatMayStandThere(string line, params string[] wanted)
    {
        string[] words = line.Split(' ');
        Assert.Equal(wanted, Completions.Of(Tool.CreateRoot(new Terminal(TextWriter.Null, TextWriter.Null, default)), words[..^1], words[^1]).Select(c => c.Word));
        ToolResult answer = ToolResult.Of(["complete", "--", "=" + words[^1], .. words[..^1]]);
        answer.AssertSucceeded();
        Assert.Equal(wanted, answer.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.TrimEnd('\r').Split('\t')[0]));
    }

    [Fact]
    public void EveryCommandOptionMethodAndPresetIsOffered()
    {
        foreach ((string[] words, var verb) in CommandTree.Verbs())
        {
            Assert.Contains(words[^1], Offered([.. words[..^1], ""]));
            Assert.Equal(verb.Options.Select(o => o.Name).Append("--help").Order(), Offered([.. words, "-"]).Order());
        }

        Assert.Equal(CodecCatalog.Methods.Select(m => m.Name), Offered("plan", "--keys", ""));
        Assert.Equal(CachePreset.All.Select(p => p.Name), Offered("compress", "t", "--policy", ""));

        static IEnumerable<string> Offered(params string[] words) => Completions.Of(Tool.CreateRoot(new Terminal(TextWriter.Null, TextWriter.Null, default)), words[..^1], words[^1]).Select(c => c.Word);
    }

    [Theory]
    [InlineData("bash", "kvant plan --codec turboquant:bits=3,scale=u", "unbiased")] // bash has the rest already
    [InlineData("bash", "kvant plan --policy=b", "balanced")]
    [InlineData("bash", "kvant bench ", "attention encode prefill decode")]
    [InlineData("bash", "kvant evaluate --text a", "")]
    [InlineData("zsh", "kvant plan --codec turboquant:bits=3,scale=u", "turboquant:bits=3,scale=unbiased")]
    [InlineData("zsh", "kvant bench ", "attention encode prefill decode")]
    [InlineData("zsh", "kvant evaluate --text a", "(files)")]
    [InlineData("fish", "kvant plan --codec turboquant:bits=3,scale=u", "turboquant:bits=3,scale=unbiased")]
    [InlineData("fish", "kvant bench ", "attention decode encode prefill")]
    [InlineData("fish", "kvant evaluate --text a", "afile.txt")]
    [InlineData("pwsh", "kvant bench ", "attention encode prefill decode")]
    [InlineData("pwsh", "kvant plan --policy b", "balanced")]
    public async Task ShellOffersIt(string shell, string line, string wanted)
    {
        string? program = Environment.GetEnvironmentVariable("PATH")?.Split(':').Select(folder => Path.Combine(folder, shell)).FirstOrDefault(File.Exists);
        if (program is null)
            Assert.Skip($"Needs {shell}.");
        File.WriteAllText(_folder["afile.txt"], "");
        File.WriteAllText(_folder["script"], ToolResult.Of("completion", shell).Out);
        File.WriteAllText(_folder["kvant"], $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "Kvant.Cli.dll")}' \"$@\"\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder["kvant"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string ask = shell switch
        {
            "bash" => "source ./script; COMP_LINE=$LINE; COMP_POINT=${#LINE}; _kvant kvant; printf '%s\\n' \"${COMPREPLY[@]}\"",
            // The completion system of zsh wants a terminal; its two doors stand for it.
            "zsh" => "compdef() { :; }; _files() { print '(files)'; }; compadd() { print -rl -- ${(P)@[-1]}; }; source ./script; words=(\"${(@s: :)LINE}\"); CURRENT=${#words}; PREFIX=${words[CURRENT]}; _kvant",
            "fish" => "source ./script; complete -C $LINE",
            _ => "Get-Content -Raw ./script | Invoke-Expression; (TabExpansion2 $env:LINE $env:LINE.Length).CompletionMatches.CompletionText",
        };
        string[] arguments = shell switch { "bash" => ["--norc", "-c", ask], "zsh" => ["-f", "-c", ask], "fish" => ["--no-config", "-c", ask], _ => ["-NoProfile", "-Command", ask] };
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _folder["."],
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["LINE"] = line, ["HOME"] = _folder["."], ["PATH"] = _folder["."] + ":" + Environment.GetEnvironmentVariable("PATH") },
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        string found = string.Join(' ', output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')[0]));
        Assert.Equal((wanted, ""), (found, await error));
    }

    [Fact]
    public void ScriptIsAFieldOfJson()
    {
        var json = ToolResult.JsonOf("completion", "fish");
        Assert.Equal(ToolResult.Of("completion", "fish").Out, json.GetProperty("script").GetString());
        ToolResult.Of("completion", "tcsh").AssertFailed(2, "tcsh", "bash");
        ToolResult.Of("complete").AssertFailed(2, "missing");
    }
}
