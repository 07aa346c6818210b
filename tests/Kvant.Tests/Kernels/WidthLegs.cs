using System.Diagnostics;
using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>
/// Runs the width tests again in processes whose instruction sets are switched off from outside, as on smaller machines: all at once, beside
/// the tests of this process, which take one core.
/// </summary>
public sealed class WidthLegs : IDisposable
{
    private readonly Dictionary<string, Process> _legs = [];
    private readonly Dictionary<string, Task<string>> _outputs = [];

    /// <summary>What is switched off, and the width and the products of bytes that are left. Without a setting a leg would be this process again.</summary>
    public static IReadOnlyDictionary<string, (int Width, string? Products)> Settings { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64
        ? new Dictionary<string, (int, string?)>
        {
            ["DOTNET_EnableArm64Dp"] = (128, "SMULL"),
            ["DOTNET_EnableHWIntrinsic"] = (0, null),
        }
        : new Dictionary<string, (int, string?)>
        {
            ["DOTNET_EnableAVX512"] = (256, "PMADDUBSW"),
            ["DOTNET_EnableAVX2"] = (128, "PMADDUBSW"),
            ["DOTNET_EnableHWIntrinsic"] = (0, null),
        };

    public WidthLegs()
    {
        // A leg starts no legs.
        if (Environment.GetEnvironmentVariable(Widths.Expected) is not null)
            return;
        foreach ((string setting, (int width, string? products)) in Settings.Where(s => s.Value.Width <= (int)SimdSupport.Widest))
        {
            _legs[setting] = Start(setting, width, products);
            _outputs[setting] = _legs[setting].StandardOutput.ReadToEndAsync();
        }
    }

    /// <summary>Waits for a leg.</summary>
    /// <returns>Its exit code and what it wrote; null where the machine lacks the width.</returns>
    public async Task<(int Code, string Output)?> Finish(string setting)
    {
        if (!_legs.TryGetValue(setting, out Process? leg))
            return null;
        string output = await _outputs[setting];
        await leg.WaitForExitAsync();
        return (leg.ExitCode, output);
    }

    public void Dispose()
    {
        foreach (Process leg in _legs.Values)
        {
            // Where its test was filtered out.
            if (!leg.HasExited)
                leg.Kill();
            leg.Dispose();
        }
    }

    private static Process Start(string setting, int width, string? products)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Kvant.Tests")) { RedirectStandardOutput = true };
        foreach (string argument in (string[])["--filter-trait", $"{Widths.Trait}=width", "--minimum-expected-tests", "20", "--no-ansi", "--no-progress"])
            start.ArgumentList.Add(argument);
        start.Environment[Widths.Expected] = width.ToString();
        start.Environment[Widths.ExpectedProducts] = products ?? "";
        // Nor does it talk to the runner of this process.
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        start.Environment[setting] = "0";
        return Process.Start(start)!;
    }
}
