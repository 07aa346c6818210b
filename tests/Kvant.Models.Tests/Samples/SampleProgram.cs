using System.Diagnostics;

namespace Kvant.Models.Tests.Samples;

/// <summary>Runs the programs in <c>samples/</c>, as they were built with the tests.</summary>
internal static class SampleProgram
{
    public static async Task<(string Out, string Error, int ExitCode)> RunAsync(string name, CancellationToken cancellation)
    {
        // bin/Release/net10.0 of this project, and of the sample.
        string[] output = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar).Split(Path.DirectorySeparatorChar)[^3..];
        string program = Path.Combine([Root(), "samples", name, .. output, $"{name}.dll"]);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync(cancellation);
        string text = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return (text, await error, process.ExitCode);
    }

    /// <summary>Where the repository begins.</summary>
    public static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvant.slnx")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException($"No Kvant.slnx above {AppContext.BaseDirectory}.");
    }
}
