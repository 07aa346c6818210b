using System.Diagnostics;

namespace Kvant.OnnxRuntime.Tests;

public sealed class SampleTests
{
    [Fact]
    public async Task SampleRunsAndSaysWhatItFound()
    {
        DirectoryInfo? root = new(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Kvant.slnx")))
            root = root.Parent;
        // bin/Release/net10.0 of this project, and of the sample.
        string[] output = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar).Split(Path.DirectorySeparatorChar)[^3..];
        string program = Path.Combine([root!.FullName, "samples", "OnnxDecoders", .. output, "OnnxDecoders.dll"]);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program]) { RedirectStandardOutput = true })!;
        string text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Contains("20 of 20 tokens that the cut one wrote", text, StringComparison.Ordinal);
        Assert.Contains("One run for two sequences", text, StringComparison.Ordinal);
        Assert.Equal(0, process.ExitCode);
    }
}
