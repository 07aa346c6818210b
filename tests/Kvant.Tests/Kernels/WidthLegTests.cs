using System.Diagnostics;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Runs the width tests again in processes whose instruction sets are switched off from outside, as on smaller machines.</summary>
public sealed class WidthLegTests
{
    [Theory]
    [InlineData("", 512)]
    [InlineData("DOTNET_EnableAVX512=0", 256)]
    [InlineData("DOTNET_EnableAVX2=0", 128)]
    [InlineData("DOTNET_EnableHWIntrinsic=0", 0)]
    public async Task EveryWidthPassesNatively(string setting, int width)
    {
        Assert.SkipWhen(
            (int)SimdSupport.Widest < width,
            $"This machine has no {width}-bit registers; the path was run emulated by the tests of this trait in this process.");

        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Kvant.Tests"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in (string[])["--filter-trait", $"{Widths.Trait}=width", "--minimum-expected-tests", "20", "--no-ansi", "--no-progress"])
            start.ArgumentList.Add(argument);
        start.Environment[Widths.Expected] = width.ToString();
        // A leg that is itself run inside a narrower leg must not inherit it; nor the pipe of the runner above.
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        if (setting.Length > 0)
            start.Environment[setting.Split('=')[0]] = setting.Split('=')[1];

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}\n{await output}\n{await errors}");
    }

    [Fact]
    [Trait(Widths.Trait, "width")]
    public void WidthIsTheOneThatTheLegClaims()
    {
        string? expected = Environment.GetEnvironmentVariable(Widths.Expected);
        Assert.SkipWhen(expected is null, "Only a leg claims a width.");
        Assert.Equal((SimdWidth)int.Parse(expected!), SimdSupport.Widest);
    }
}
