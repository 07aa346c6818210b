using Kvant.Models.Tests.Samples;

namespace Kvant.LLamaSharp.Tests;

public sealed class SampleTests
{
    [Fact]
    public async Task SampleRunsAndSaysWhatItFound()
    {
        (string text, _, int exitCode) = await SampleProgram.RunAsync("LlamaStates", TestContext.Current.CancellationToken);
        Assert.Contains("20 of 20 tokens are those that would have come", text, StringComparison.Ordinal);
        Assert.Contains("516 loaded from 3 chunks, 185 read", text, StringComparison.Ordinal);
        Assert.Equal(0, exitCode);
    }
}
