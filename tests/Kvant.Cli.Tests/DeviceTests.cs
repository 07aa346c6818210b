using System.Text.Json;
using Kvant.Gpu;

namespace Kvant.Cli.Tests;

/// <summary>Devices in commands, on machines with and without them.</summary>
public sealed class DeviceTests
{
    private static readonly string[] s_generate = ["generate", "--prompt", "It was a dark night, and", "--tokens", "12", "--temperature", "0", "--codec", "fp16"];

    [Fact]
    public void DevicesAreListedAndAnEmptyListSaysWhy()
    {
        ToolResult result = ToolResult.Of("devices", "--json");
        Assert.Equal(0, result.ExitCode);
        using var found = JsonDocument.Parse(result.Out);
        Assert.Equal(GpuDevice.List().Select(device => device.Name), found.RootElement.EnumerateArray().Select(device => device.GetProperty("name").GetString()));
        Assert.Equal(GpuDevice.WhyNone is { } why ? $"kvant: {why}" : "", result.Error.TrimEnd());
    }

    [Fact]
    public void TextOfADeviceIsThatOfTheProcessor()
    {
        Assert.SkipWhen(GpuDevice.WhyNone is not null, GpuDevice.WhyNone ?? "");
        Assert.Equal(
            ToolResult.JsonOf(s_generate).GetProperty("text").GetString(), ToolResult.JsonOf([.. s_generate, "--device", "0"]).GetProperty("text").GetString());
    }

    [Fact]
    public void DeviceThatIsNotThereIsAFailure() => ToolResult.Of([.. s_generate, "--device", "999"]).AssertFailed(1, GpuDevice.WhyNone is null ? "there is no device 999" : "OpenCL");

    [Fact]
    public void GuessesAreTriedOnTheProcessor() => ToolResult.Of([.. s_generate, "--device", "0", "--draft", "3"]).AssertFailed(2, "--draft", "--device");

    [Fact]
    public void DeviceIsANumber() => ToolResult.Of("generate", "--prompt", "x", "--device", "first").AssertFailed(2, "--device", "'first'");

    [Fact]
    public void StepsOfADeviceAreMeasuredAndChecked()
    {
        Assert.SkipWhen(GpuDevice.WhyNone is not null, GpuDevice.WhyNone ?? "");
        JsonElement[] rows = [.. ToolResult.JsonOf("bench", "attention", "--device", "0", "--dimension", "64", "--kv-heads", "2", "--tokens", "300", "--seconds", "0.05", "--codec", "turboquant:bits=4").EnumerateArray()];
        Assert.Equal(2, rows.Length);
        Assert.All(rows, row => Assert.True(row.GetProperty("nsPerTokenHead").GetDouble() > 0));
    }
}
