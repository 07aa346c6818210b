namespace Kvant.LlamaCpp.Tests;

/// <summary>Files of every version that was ever written; they never change, and neither does what comes of them.</summary>
public sealed class GoldenTests
{
    [Theory]
    [InlineData("sequence", 0, .06)]
    [InlineData("context", 1, .01)]
    public void StoredFilesComeBackAsTheyDid(string name, int sample, double error)
    {
        byte[] file = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", $"{name}-1.kvant")), state = FileMutants.States[sample], back = LlamaStateFileTests.Restore(file);
        Assert.Equal(state.Length, back.Length);
        Assert.InRange(LlamaStateFileTests.Error(state, back), 0, error);
        // Cells, types and tokens, which are not rows.
        Assert.Equal(state[..60], back[..60]);
    }

    /// <summary>Nothing in these files is deflated, so their bytes are the same everywhere.</summary>
    [Theory]
    [InlineData("sequence", 0)]
    [InlineData("context", 1)]
    public void FilesAreWrittenAsTheyWere(string name, int sample)
    {
        byte[] wanted = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", $"{name}-1.kvant"));
        byte[] found = FileMutants.Files[sample];
        string left = Path.Combine(AppContext.BaseDirectory, "Golden", $"{name}-found.kvant");
        File.WriteAllBytes(left, found);
        Assert.True(wanted.AsSpan().SequenceEqual(found), $"{name}-1.kvant would be written in other bytes, which were left in {left}.");
    }
}
