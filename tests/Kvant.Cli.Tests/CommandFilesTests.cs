using System.CommandLine;
using System.Diagnostics;
using Kvant.Cli.Files;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

/// <summary>No command replaces or removes a file that it reads or that the tool did not write.</summary>
public sealed class CommandFilesTests : IDisposable
{
    private const string Precious = "precious";

    private static readonly string[] s_tune =
    [
        "tune", "--bits-per-value", "3.25", "--context", "128", "--window", "16", "--chunks", "1", "--held-out", "1", "--keys", "turboquant:bits=2", "--values", "turboquant:bits=2",
    ];

    private static readonly string[] s_evaluate = ["evaluate", "--codec", "fp16", "--context", "64", "--chunks", "1"];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryTextOfACommandIsDeclaredAsAFileOrIsNone()
    {
        // What a person writes that is no file: nothing of it is opened.
        string[] texts = ["--prompt", "--system", "--type", "--weights", "--endpoint", "--sha256", "NAME", "SHELL", "DIR", "--store", "--name", "--api-key"];
        foreach ((string[] words, Command verb) in CommandTree.Verbs())
        {
            IEnumerable<Symbol> symbols = [.. verb.Options.Where(o => o.ValueType == typeof(string) || o.ValueType == typeof(string[])), .. verb.Arguments];
            Assert.All(symbols, s => Assert.True(s is IFileSymbol || texts.Contains(s.Name), $"{string.Join(' ', words)}: {s.Name} takes a text; is it a file?"));
            Assert.All(symbols.OfType<IFileSymbol>(), f => Assert.Equal(f.Use == FileUse.Output, f.Kind is not null));
            Assert.Equal(verb.Options.OfType<IFileSymbol>().Any(f => f.Use == FileUse.Output), verb.Options.Any(o => o.Name == "--force"));
        }
    }

    [Fact]
    public void LongestNameIsWritten()
    {
        string name = new('n', 255);
        ToolResult.Of("measure", "--rows", "16", "--codec", "fp16", "--output", _folder[name]).AssertSucceeded();
        Assert.Equal([name], _folder.Names);
    }

    public static TheoryData<string> SameFile => ["name", "relative", "symbolic", "hard", "folder", "descriptor"];

    // Each output of each verb against each kind of input it has; the links once, for they are one mechanism.
    [Theory]
    [InlineData("compress", "in", "--keys", "fp16", "--values", "fp16", "-o", "out")]
    [InlineData("compress", "other", "--policy", "in", "-o", "out")]
    [InlineData("decompress", "in", "-o", "out")]
    [InlineData("measure", "in", "--codec", "fp16", "--output", "out")]
    [InlineData("trace", "--model", "in", "-o", "out")]
    [InlineData("trace", "--text", "in", "-o", "out")]
    [InlineData("tune", "in", "--bits-per-value", "3", "-o", "out")]
    [InlineData("tune", "--text", "in", "--bits-per-value", "3", "-o", "out")]
    [InlineData("evaluate", "in", "--report", "out")]
    [InlineData("evaluate", "in", "--results", "out")]
    [InlineData("evaluate", "--text", "in", "--report", "out")]
    [InlineData("evaluate", "--policy", "tiny", "--policy", "in", "--report", "out")]
    [InlineData("evaluate", "--policy", "in", "--results", "out")]
    public void InputIsNeverReplaced(params string[] args)
    {
        File.WriteAllText(_folder["in"], Precious);
        string[] given = [.. args.Select(a => a is "in" or "out" ? _folder["in"] : a), "--force"];
        ToolResult.Of(given).AssertFailed(2, "is the input", "write to another file");
        Assert.Equal(Precious, File.ReadAllText(_folder["in"]));
        Assert.Equal(["in"], _folder.Names);
    }

    [Theory]
    [MemberData(nameof(SameFile))]
    public void AnotherNameOfAnInputIsTheInput(string way)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Other systems do not say which file a name leads to.");
        File.WriteAllText(_folder["in"], Precious);
        using FileStream open = File.OpenRead(_folder["in"]);
        string other = way switch
        {
            "relative" => Path.GetRelativePath(Environment.CurrentDirectory, _folder["in"]),
            "symbolic" => File.CreateSymbolicLink(_folder["link"], "in").FullName,
            "hard" => HardLink(),
            "folder" => Path.Combine(Directory.CreateSymbolicLink(_folder["link"], ".").FullName, "in"),
            "descriptor" => $"/proc/self/fd/{open.SafeFileHandle.DangerousGetHandle()}",
            _ => _folder["in"],
        };
        ToolResult.Of("evaluate", "--text", _folder["in"], "--report", other, "--force").AssertFailed(2, "is the input --text");
        Assert.Equal(Precious, File.ReadAllText(_folder["in"]));

        string HardLink()
        {
            using Process ln = Process.Start("ln", [_folder["in"], _folder["link"]]);
            ln.WaitForExit();
            return _folder["link"];
        }
    }

    [Fact]
    public void ShippedFilesAreInputs()
    {
        string text = Path.Combine(AppContext.BaseDirectory, "data", "mini-holdout.txt");
        byte[] before = File.ReadAllBytes(text);
        ToolResult.Of([.. s_evaluate, "--report", text, "--force"]).AssertFailed(2, "ships with the tool");
        Assert.Equal(before, File.ReadAllBytes(text));
    }

    [Theory]
    [InlineData("x", "x")]
    [InlineData("x", "X")]
    [InlineData("x", "./x")]
    public void TwoOutputsInOnePlaceAreRefused(string report, string results) =>
        ToolResult.Of([.. s_evaluate, "--report", _folder[report], "--results", _folder[results]]).AssertFailed(2, "--report", "--results", "two files");

    [Theory]
    [InlineData("--report")]
    [InlineData("--results")]
    public void FileOfAnotherKindNeedsForceAndAnEarlierOutputDoesNot(string option)
    {
        string[] command = [.. s_evaluate, option, _folder["out"]];
        File.WriteAllText(_folder["out"], Precious);
        ToolResult.Of(command).AssertFailed(1, "exists", "--force");
        Assert.Equal(Precious, File.ReadAllText(_folder["out"]));
        Assert.Equal(0, ToolResult.Of([.. command, "--force"]).ExitCode);
        Assert.NotEqual(Precious, File.ReadAllText(_folder["out"]));
        Assert.Equal((0, ""), (ToolResult.Of(command).ExitCode, ToolResult.Of(command).Error));
        File.SetAttributes(_folder["out"], FileAttributes.ReadOnly);
        ToolResult.Of(command).AssertFailed(1, "exists", "--force");
        File.SetAttributes(_folder["out"], FileAttributes.Normal);
        Assert.Equal(["out"], _folder.Names);
    }

    [Fact]
    public void TracesAndCachesOfTheToolAreReplacedAndRecordingsAreNot()
    {
        string recording = _folder["recording"], cache = _folder["cache"], trace = _folder["trace"];
        File.Copy(TempFolder.Trace, recording);
        string[] compress = ["compress", recording, "--keys", "q8", "--values", "q8", "-o", cache], decompress = ["decompress", cache, "-o", trace];
        string[] record = ["trace", "--tokens", "4", "-o", trace];
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(0, ToolResult.Of(compress).ExitCode);
            Assert.Equal(0, ToolResult.Of(decompress).ExitCode);
            Assert.Equal(0, ToolResult.Of(record).ExitCode);
        }

        byte[] before = File.ReadAllBytes(recording);
        ToolResult.Of("decompress", cache, "-o", recording).AssertFailed(1, "exists", "--force");
        ToolResult.Of("decompress", cache, "-o", trace, "--type", "f16").AssertSucceeded();
        ToolResult.Of("compress", trace, "--keys", "q8", "--values", "q8", "-o", recording).AssertFailed(1, "exists", "--force");
        Assert.Equal(before, File.ReadAllBytes(recording));
    }

    [Fact]
    public void EmptyFileIsReplacedAndKeepsItsMode()
    {
        File.WriteAllBytes(_folder["out"], []);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder["out"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        ToolResult.Of([.. s_evaluate, "--report", _folder["out"]]).AssertSucceeded();
        Assert.NotEqual(0, new FileInfo(_folder["out"]).Length);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["out"]));
    }

    [Fact]
    public void LinkIsWrittenThrough()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need rights on Windows.");
        Directory.CreateDirectory(_folder["there"]);
        File.CreateSymbolicLink(_folder["link"], Path.Combine("there", "report"));
        for (int i = 0; i < 2; i++)
            ToolResult.Of([.. s_evaluate, "--report", _folder["link"]]).AssertSucceeded();
        Assert.Equal(Path.Combine("there", "report"), new FileInfo(_folder["link"]).LinkTarget);
        Assert.Equal(["report"], Directory.EnumerateFileSystemEntries(_folder["there"]).Select(Path.GetFileName));
    }

    [Fact]
    public void PipesAndFoldersAreNeitherReplacedNorOpened()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Other systems do not say what a name leads to.");
        using (Process mkfifo = Process.Start("mkfifo", [_folder["pipe"]]))
            mkfifo.WaitForExit();
        foreach (string[] output in (string[][])[["evaluate", "--report"], ["tune", "--bits-per-value", "3", "-o"], ["trace", "-o"]])
            ToolResult.Of([.. output, _folder["pipe"], "--force"]).AssertFailed(1, "is a pipe");
        foreach (string[] input in (string[][])[["inspect"], ["evaluate"], ["measure"], ["tune", "--bits-per-value", "3"], ["generate", "--prompt", "x", "--model"], ["generate", "--prompt", "x", "--policy"]])
        {
            ToolResult.Of([.. input, _folder["pipe"]]).AssertFailed(1, "is a pipe");
            ToolResult.Of([.. input, "/dev/zero"]).AssertFailed(1, "is a device");
        }

        ToolResult.Of("evaluate", "--text", "/dev/zero").AssertFailed(1, "is a device");
        ToolResult.Of("evaluate", "--report", _folder["."]).AssertFailed(1, "is a folder");
        Assert.Throws<IOException>(() => AtomicFile.Create(_folder["pipe"]));
        Assert.Equal(["pipe"], _folder.Names);
        Assert.Equal(FileType.Pipe, FileIdentity.Of(_folder["pipe"])?.Type);
    }

    [Fact]
    public void WhatAppearsWhileTheCommandRunsIsNotReplaced()
    {
        string output = _folder["out"];
        using CommandFiles files = Declare("--report", output);
        Assert.Throws<IOException>(() => files.Write(output, path =>
        {
            File.WriteAllText(path, "new");
            File.WriteAllText(output, Precious);
        }));
        Assert.Equal(Precious, File.ReadAllText(output));
        Assert.Equal(["out"], _folder.Names);
    }

    [Fact]
    public void InputThatIsMovedOntoTheOutputIsNotReplaced()
    {
        string input = _folder["in"], output = _folder["out"];
        File.WriteAllText(input, Precious);
        using CommandFiles files = Declare("--text", input, "--report", output, "--force");
        Assert.Throws<UsageException>(() => files.Write(output, path =>
        {
            File.WriteAllText(path, "new");
            File.Move(input, output);
        }));
        Assert.Equal(Precious, File.ReadAllText(output));
    }

    [Fact]
    public void OtherPartsOfAModelAreInputs()
    {
        string part = _folder["m-00002-of-00002.gguf"];
        File.WriteAllText(part, Precious);
        using CommandFiles files = Declare("--report", part, "--force");
        Assert.Contains("a part of the model", Assert.Throws<UsageException>(() => files.AddParts([_folder["m-00001-of-00002.gguf"], part])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NothingAppearsOnceTheFilesAreGivenUp()
    {
        string output = _folder["out"];
        CommandFiles files = Declare("--report", output);
        Assert.ThrowsAny<Exception>(() => files.Write(output, path =>
        {
            File.WriteAllText(path, "new");
            files.Dispose();
        }));
        Assert.Empty(_folder.Names);
    }

    /// <summary>A thread that nobody stopped may make anew what was removed: it is moved nowhere.</summary>
    [Fact]
    public void WriterThatGoesOnAfterTheFilesAreGivenUpPutsNothingInPlace()
    {
        string output = _folder["out"];
        CommandFiles files = Declare("--report", output);
        Assert.Throws<ObjectDisposedException>(() => files.Write(output, path =>
        {
            files.Dispose();
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "new");
        }));
        Assert.DoesNotContain("out", _folder.Names);
        Assert.Empty(files.Written);
    }

    [Fact]
    public void TuneLeavesAForeignFileBesideItsOutputAlone()
    {
        File.WriteAllText(_folder["z.measured"], Precious);
        // Before any work, which is what the words say; the file would be refused once more where it is opened.
        ToolResult.Of([.. s_tune, "-o", _folder["z"]]).AssertFailed(1, "z.measured", "would stand there; move it");
        ToolResult.Of([.. s_tune, "-o", _folder["z"], "--force"]).AssertFailed(1, "z.measured", "would stand there; move it");
        Assert.Equal(Precious, File.ReadAllText(_folder["z.measured"]));
        Assert.Equal(["z.measured"], _folder.Names);
    }

    [Fact]
    public void TuneDoesNotTakeItsInputForItsMeasurements()
    {
        File.Copy(TempFolder.Model, _folder["x.measured"]);
        ToolResult.Of([.. s_tune, _folder["x.measured"], "-o", _folder["x"], "--force"]).AssertFailed(2, "x.measured", "is the input TRACE");
        Assert.Equal(File.ReadAllBytes(TempFolder.Model), File.ReadAllBytes(_folder["x.measured"]));
    }

    [Fact]
    public void TuneReplacesItsOwnPolicyAndNoOther()
    {
        for (int i = 0; i < 2; i++)
            ToolResult.Of([.. s_tune, "-o", _folder["p.json"]]).AssertSucceeded();
        CachePolicy tuned = CachePolicyFile.Load(_folder["p.json"]);
        CachePolicyFile.Save(_folder["p.json"], tuned with { Notes = new Dictionary<string, string>() });
        byte[] byHand = File.ReadAllBytes(_folder["p.json"]);
        ToolResult.Of([.. s_tune, "-o", _folder["p.json"]]).AssertFailed(1, "p.json", "exists", "--force");
        Assert.Equal(byHand, File.ReadAllBytes(_folder["p.json"]));
    }

    private static CommandFiles Declare(params string[] args)
    {
        RootCommand root = Tool.CreateRoot(new Kvant.Cli.Output.Terminal(TextWriter.Null, TextWriter.Null, default));
        return CommandFiles.Of(root.Parse(["evaluate", .. args]), args.Contains("--force"));
    }
}
