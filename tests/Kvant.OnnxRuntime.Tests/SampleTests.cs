using Kvant.Models.Tests.Samples;

namespace Kvant.OnnxRuntime.Tests;

public sealed class SampleTests
{
    [Fact]
    public async Task SampleRunsAndSaysWhatItFound()
    {
        (string text, _, int exitCode) = await SampleProgram.RunAsync("OnnxDecoders", TestContext.Current.CancellationToken);
        Assert.Contains("20 of 20 tokens that the cut one wrote", text, StringComparison.Ordinal);
        Assert.Contains("One run for two sequences", text, StringComparison.Ordinal);
        Assert.Equal(0, exitCode);
    }
}
