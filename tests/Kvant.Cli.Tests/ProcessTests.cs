using System.Diagnostics;
using Kvant.Caching;
using Kvant.Cli.Tests.Pulling;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

/// <summary>What only a process shows: exit codes, streams, signals.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ResultGoesToStdoutFromAnyFolder()
    {
        using Process tool = Start("evaluate", "--codec", "fp32", "--context", "128", "--chunks", "1", "--json");
        ToolResult result = Finish(tool);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.StartsWith("[", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void ErrorGoesToStderrAsOneLine()
    {
        using Process tool = Start("inspect", "none.kvant");
        Finish(tool).AssertFailed(1, "none.kvant");
    }

    [Fact]
    public void InterruptedCompressionLeavesNoFile()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill -INT.");
        WriteLongTrace(_folder["in.safetensors"]);
        using Process tool = Start("compress", "in.safetensors", "-o", "out.kvant", "--keys", "turboquant:bits=8,search=64", "--values", "turboquant:bits=8,search=64");
        // The temporary file shows that the work has begun.
        Assert.True(SpinWait.SpinUntil(() => tool.HasExited || _folder.Names.Any(n => n.EndsWith(".tmp", StringComparison.Ordinal)), Patience));
        Interrupt(tool);
        Finish(tool).AssertFailed(130, "interrupted");
        Assert.Equal(["in.safetensors"], _folder.Names);
    }

    [Fact]
    public void InterruptedMeasurementLeavesNoFile()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill -INT.");
        using Process tool = Start("measure", "--rows", "200000", "--codec", "turboquant:bits=8,search=64", "--output", "out.npy");
        Thread.Sleep(1500); // whether the work has begun by then makes no difference to what must hold
        Interrupt(tool);
        Assert.Equal(130, Finish(tool).ExitCode);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void InterruptedGenerationKeepsTheTextAndSaysTheFigures()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill -INT.");
        using Process tool = Start("generate", "--prompt", "Call me", "--tokens", "1000000", "--codec", "fp16");
        // The first piece of text shows that the writing has begun.
        Assert.NotEqual(-1, tool.StandardOutput.Read());
        Interrupt(tool);
        ToolResult result = Finish(tool);
        string[] lines = result.Error.TrimEnd().Split('\n');
        Assert.Equal((130, 4), (result.ExitCode, lines.Length));
        Assert.Contains("may write nonsense", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("interrupted", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("cache: ", lines[2], StringComparison.Ordinal);
        Assert.EndsWith("\n", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void CommandThatWaitsForAPipeEndsOnATermination()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs a named pipe.");
        Process.Start("mkfifo", [_folder["pipe"]])!.WaitForExit();
        using Process tool = Start("evaluate", "--text", "pipe", "--report", "r.html");
        // The thread of the command shows that the signal is handled by now; whether it is in open(2) yet makes no difference to what must hold.
        Assert.True(SpinWait.SpinUntil(() => tool.HasExited || Threads(tool).Contains("Kvant command"), Patience));
        Interrupt(tool, "-TERM");
        Finish(tool).AssertFailed(143, "interrupted");
        Assert.Equal(["pipe"], _folder.Names);

        static IEnumerable<string> Threads(Process process) => Directory.GetDirectories($"/proc/{process.Id}/task").Select(task => File.ReadAllText(Path.Combine(task, "comm")).Trim());
    }

    [Fact]
    public void InterruptedTuningSaysThatItsMeasurementsAreKept()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill -INT.");
        using Process tool = Start("tune", "--bits-per-value", "3", "-o", "p.json", "--context", "256", "--chunks", "1", "--keys", "turboquant:bits=2", "--values", "turboquant:bits=2", "--values", "turboquant:bits=3");
        Assert.True(SpinWait.SpinUntil(() => tool.HasExited || File.Exists(_folder["p.json.measured"]), Patience));
        Interrupt(tool);
        Finish(tool).AssertFailed(130, "while tuning", "measurements are kept in 'p.json.measured'", "no file was written");
        Assert.Equal(["p.json.measured"], _folder.Names);
        Assert.StartsWith("kvant.tune 1 ", File.ReadAllText(_folder["p.json.measured"]), StringComparison.Ordinal);
    }

    // The name of the server is known to the proxy alone, which the environment names.
    [Fact]
    public void InterruptedPullGoesOnThroughAProxy()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill -INT.");
        byte[] model = File.ReadAllBytes(TempFolder.Model);
        var end = new TaskCompletionSource();
        using var proxy = new LoopbackServer(r => LoopbackServer.File(r, model, sends: r.From > 0 || end.Task.IsCompleted ? null : 1_000_000) with { Waits = end.Task });
        string[] command = ["pull", "http://models.invalid/mini.gguf"];
        using Process first = Pull();
        string folder = Path.Combine(_folder["models"], "models.invalid");
        Assert.True(SpinWait.SpinUntil(() => first.HasExited || (Directory.Exists(folder) && Directory.GetFiles(folder, ".*.part").Any(p => new FileInfo(p).Length == 1_000_000)), Patience));
        Interrupt(first);
        Finish(first).AssertFailed(130, "interrupted while pulling mini.gguf", "what has come is kept; pull again to go on");
        end.SetResult();
        using Process second = Pull();
        ToolResult result = Finish(second);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("behind 1.0 MiB that were there", result.Error, StringComparison.Ordinal);
        Assert.Equal(["mini.gguf"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
        Assert.Equal(model, File.ReadAllBytes(Path.Combine(folder, "mini.gguf")));
        Assert.All(proxy.Requests, r => Assert.Equal("http://models.invalid/mini.gguf", r.Path));

        Process Pull()
        {
            ProcessStartInfo start = StartInfo(command);
            start.Environment["KVANT_MODELS"] = _folder["models"];
            start.Environment["http_proxy"] = proxy.Address.AbsoluteUri;
            start.Environment["no_proxy"] = "";
            return Process.Start(start)!;
        }
    }

    [Theory]
    [InlineData("nonsense 2>&-", 2)]
    [InlineData("nonsense 2>/dev/full", 2)]
    [InlineData("codecs >&-", 1)]
    [InlineData("codecs >&- 2>&-", 1)]
    [InlineData("codecs <&-", 0)]
    [InlineData("codecs >/dev/full", 1)]
    [InlineData("generate --prompt 'Call me' --tokens 1000000 --codec fp16 | head -c 1", 0)]
    [InlineData("measure --rows 16 --codec fp16 --output out.npy >&- 2>&-", 1)]
    public void ClosedStreamsAreNoCrash(string command, int exitCode)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs bash and /dev/full.");
        string[] parts = command.Split(" | ");
        using Process shell = Process.Start(new ProcessStartInfo("bash", ["-c", $"{string.Join(" | ", [$"dotnet '{Path.Combine(AppContext.BaseDirectory, "Kvant.Cli.dll")}' {parts[0]}", .. parts[1..]])}; exit ${{PIPESTATUS[0]}}"])
        {
            WorkingDirectory = _folder["."],
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        ToolResult result = Finish(shell);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        // What was meant for a closed stream is not in a file that got its number.
        if (command.Contains("out.npy", StringComparison.Ordinal))
        {
            using NpyFile decoded = NpyFile.Open(_folder["out.npy"]);
            Assert.Equal(16, decoded.Rows);
        }
    }

    private static void WriteLongTrace(string path)
    {
        var geometry = new CacheGeometry { Layers = 16, KvHeads = 8, KeyDimension = 64, ValueDimension = 64 };
        const int Tokens = 1024;
        float[] rows = new float[Tokens * 64];
        var random = new Random(7);
        for (int i = 0; i < rows.Length; i++)
            rows[i] = random.NextSingle() - .5f;
        using TraceWriter writer = TraceWriter.Create(path, geometry, Tokens);
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            for (int head = 0; head < geometry.KvHeads; head++)
                writer.WriteKeys(layer, head, rows);
            for (int head = 0; head < geometry.KvHeads; head++)
                writer.WriteValues(layer, head, rows);
        }

        writer.Commit();
    }

    private Process Start(params string[] args) => Process.Start(StartInfo(args))!;

    private ProcessStartInfo StartInfo(string[] args) => new("dotnet", [Path.Combine(AppContext.BaseDirectory, "Kvant.Cli.dll"), .. args])
    {
        WorkingDirectory = _folder["."],
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };

    private static void Interrupt(Process process, string signal = "-INT")
    {
        using Process kill = Process.Start("kill", [signal, $"{process.Id}"]);
        kill.WaitForExit();
    }

    private static ToolResult Finish(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail($"The tool was still running after {Patience}.");
        }

        return new ToolResult(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
