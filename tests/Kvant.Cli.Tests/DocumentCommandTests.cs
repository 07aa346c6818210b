using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Cli.Pulling;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

/// <summary>What the documents tell a reader to type is right: every command is understood, its codecs fit, its files are there, and those that take a moment are run.</summary>
public sealed class DocumentCommandTests : IDisposable
{
    // The heads of the model and the trace that ship.
    private const int ShippedDimension = 64;

    private static readonly string[] s_cheap = ["codecs", "codebook", "plan", "compress", "inspect", "decompress", "completion", "trace", "generate", "measure", "evaluate"];

    // What a reader has: models, texts, vectors and recordings of his own, and what earlier commands made.
    private static readonly string[] s_brought =
        ["MODEL.gguf", "book.txt", "other.txt", "article.txt", "trace.safetensors", "keys.npy", "onehot-64.npy", "onehot-128.npy", "tiny-4.npy", "loud.npy", "policy.json", "cache.kvant", "slot.bin", "slot.kvant"];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryCommandOfEveryPageIsUnderstood()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs bash.");
        IReadOnlyList<DocumentCommand> all = DocumentCommand.Read(DocumentCommand.Pages());
        Assert.True(all.Count(c => c.ToolArguments is not null && !c.IsMention) > 60, $"{all.Count} commands are found; the pages have more.");
        List<string> faults = [.. all.Where(c => Fault(c) is not null).Select(c => $"{c}\n    {Fault(c)}").Distinct()];
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    // Whoever runs the tests has completions and a profile of their own.
    [Fact]
    public void ReadingPagesTouchesNothingOfTheReaders()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs bash.");
        string page = _folder["page.md"], victim = _folder["victim"], home = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), $"kvant-test-{Guid.NewGuid():N}");
        File.WriteAllText(victim, "mine");
        File.WriteAllText(page, $"    kvant codecs > ~/{Path.GetFileName(home)}\n    for i in 1; do /bin/rm {victim}; rm {victim}; done\n    kvant codebook --bits 3\n");
        IReadOnlyList<DocumentCommand> found = DocumentCommand.Read([page]);
        Assert.False(File.Exists(home));
        Assert.Equal("mine", File.ReadAllText(victim));
        Assert.Equal(["kvant codecs", "kvant codebook --bits 3"], found.Select(c => string.Join(' ', c.Words)));
    }

    [Fact]
    public void CommandsThatTakeAMomentRunAsWritten()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs bash.");
        foreach (string part in (string[])["models", "samples"])
            Directory.CreateSymbolicLink(_folder[part], Path.Combine(DocumentCommand.Root, part));
        Directory.CreateSymbolicLink(_folder["MODEL.gguf"], TempFolder.Model);
        foreach (string text in s_brought.Where(b => b.EndsWith(".txt", StringComparison.Ordinal)))
            Directory.CreateSymbolicLink(_folder[text], Path.Combine(DocumentCommand.Root, "samples", "data", "mini-holdout.txt"));
        NpyFile.Write(_folder["keys.npy"], 256, ShippedDimension, [.. Enumerable.Range(0, 256 * ShippedDimension).Select(i => MathF.Sin(i))]);
        ToolResult.Of("trace", "-o", _folder["trace.safetensors"], "--tokens", "256").AssertSucceeded();
        ToolResult.Of("compress", _folder["trace.safetensors"], "-o", _folder["cache.kvant"], "--policy", "small").AssertSucceeded();
        int ran = 0;
        foreach (string[] args in DocumentCommand.Read(DocumentCommand.Pages()).Where(c => !c.IsMention).Select(c => c.ToolArguments).OfType<string[]>().Where(IsCheap).DistinctBy(args => string.Join(' ', args)))
        {
            ToolResult result = ToolResult.Of(InFolder(args));
            Assert.True(result.ExitCode == 0, $"kvant {string.Join(' ', args)}\n{result.Error}");
            ran++;
        }

        Assert.True(ran > 20, $"{ran} commands ran; the pages have more that take a moment.");
    }

    [Theory]
    [InlineData("kvant evaluate --nonsense", "unknown option")]
    [InlineData("kvant plan --codec turboquant:bits=9", "bits")]
    [InlineData("kvant plan --policy balanced ...", "too many")]
    [InlineData("kvant measure --dimension 50 --codec q8_0", "32")]
    [InlineData("kvant inspect none.kvant", "none.kvant")]
    [InlineData("kvant compress trace.safetensors --policy tiny", "--output")]
    [InlineData("kvant plan --policy", "missing")]
    [InlineData("dotnet run -c Release --project benchmarks/Kvant.Benchmarks -- nonsense", "nonsense")]
    [InlineData("dotnet run -c Release --project samples/None", "samples/None")]
    [InlineData("eng/none.sh", "eng/none.sh")]
    public void WrongCommandWouldBeFound(string command, string words) => Assert.Contains(words, Fault(new DocumentCommand("page", false, command.Split(' '))), StringComparison.Ordinal);

    private static string? Fault(DocumentCommand command)
    {
        if (command.ToolArguments is { } args)
            return IsHistory(args) && command.Page.EndsWith("kvarn.md", StringComparison.Ordinal) ? null : FaultOfTool(args, command.IsMention);
        if (command.Words[0].StartsWith("eng/", StringComparison.Ordinal))
            return Exists(command.Words[0]) ? null : $"{command.Words[0]} is not there";
        if (command.Project is { } project)
        {
            if (Directory.GetFiles(Path.Combine(DocumentCommand.Root, Exists(project) ? project : "docs"), "*.csproj").Length == 0)
                return $"{project} is no project";
            string[] rest = command.Words[(command.Words.IndexOf("--project") + 2)..];
            return rest is ["--", var word, ..] && char.IsAsciiLetterLower(word[0]) && project.StartsWith("benchmarks/", StringComparison.Ordinal)
                && !File.ReadAllText(Path.Combine(DocumentCommand.Root, project, "Program.cs")).Contains($"[\"{word}\"", StringComparison.Ordinal) ? $"{project} knows no {word}" : null;
        }

        string? lost = command.Words.FirstOrDefault(w => w.StartsWith("src/", StringComparison.Ordinal) || w.StartsWith("tests/", StringComparison.Ordinal));
        return lost is null || Exists(lost) ? null : $"{lost} is not there";
    }

    private static string? FaultOfTool(string[] args, bool isMention)
    {
        ParseResult result = Parse(args);
        string? fault = UsageErrors.MissingValue(result, args) ?? (result.Errors.Count > 0 || result.UnmatchedTokens.Count > 0 ? UsageErrors.Describe(result) : null);
        if (fault is not null)
            return isMention && (fault.Contains("missing", StringComparison.Ordinal) || fault.Contains("required", StringComparison.Ordinal)) ? null : fault;
        Command command = result.CommandResult.Command;
        foreach (IFileSymbol file in FilesOf(command).Where(f => f.Use != FileUse.Output))
        {
            if (file.Names(result).FirstOrDefault(name => !(file.Use == FileUse.Policy && CachePreset.Find(name) is not null) && !name.StartsWith("/dev/", StringComparison.Ordinal) && !Exists(name) && !s_brought.Contains(name) && ModelName.Find(name) is null) is { } name)
                return $"{name} is neither in the repository nor what a reader brings";
        }

        if (command.Name == "measure" && command.Arguments.Any(a => result.GetResult(a)?.Tokens.Count > 0))
            return null; // vectors of any dimension
        int dimension = command.Options.FirstOrDefault(o => o.Name == "--dimension") is Option<int> option ? result.GetValue(option) : ShippedDimension;
        return command.Options.Where(o => o.ValueType == typeof(CodecSpec) || o.ValueType == typeof(CodecSpec[])).SelectMany(o => result.GetResult(o)?.Tokens ?? [])
            .Select(token => CodecSpec.Parse(token.Value).Misfit(int.MaxValue, dimension) is { } misfit ? $"{token.Value}: {misfit}" : null).FirstOrDefault(misfit => misfit is not null);
    }

    private static bool IsCheap(string[] args) => s_cheap.Contains(args[0]) && !IsHistory(args) && args[0] switch
    {
        "evaluate" => args.Length is > 2 and < 8 && args[1].EndsWith(".safetensors", StringComparison.Ordinal),
        "measure" => args.Length < 8 && Array.TrueForAll(args, a => !a.EndsWith(".npy", StringComparison.Ordinal) || a == "keys.npy"),
        "generate" => !args.Contains("--chat"), // which the model that ships is not made for
        _ => true,
    };

    // The page about this codec says which commit has it.
    private static bool IsHistory(string[] args) => args.Any(a => a.StartsWith("kvarn:", StringComparison.Ordinal));

    private string[] InFolder(string[] args)
    {
        ParseResult result = Parse(args);
        HashSet<string> files = [.. FilesOf(result.CommandResult.Command).SelectMany(f => f.Names(result)).Where(name => CachePreset.Find(name) is null)];
        return [.. args.Select(a => files.Contains(a) ? _folder[a] : a)];
    }

    private static ParseResult Parse(string[] args) => Tool.CreateRoot(new Terminal(TextWriter.Null, TextWriter.Null, default)).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });

    private static IEnumerable<IFileSymbol> FilesOf(Command command) => command.Options.OfType<IFileSymbol>().Concat(command.Arguments.OfType<IFileSymbol>());

    private static bool Exists(string path) => Path.Exists(Path.Combine(DocumentCommand.Root, path));
}
