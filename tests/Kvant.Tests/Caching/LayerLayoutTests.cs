using Kvant.Caching;

namespace Kvant.Tests.Caching;

/// <summary>Which states a layer can be in: what a file that claims one must prove.</summary>
public sealed class LayerLayoutTests
{
    [Theory]
    [InlineData("turboquant:bits=4", 0)] // blocks of 32
    [InlineData("turboquant:bits=4", 10)]
    [InlineData("q8", 0)]
    [InlineData("outlier", 3)] // calibrated on 128 rows
    public void StatesThatCallsLeadToArePossibleAndNoOthers(string pair, int drafts)
    {
        KvCacheOptions options = CacheSamples.Options(pair, sinks: 3, window: 5, drafts: drafts);
        LayerLayout layout = LayerLayouts.Create(options)[0];
        int calibration = layout.CalibrationRows, block = layout.BlockRows, most = Math.Max(5 + drafts + block, calibration) - 1;

        // Every state of appends, one cut and one eviction.
        for (int length = 0; length < 300; length++)
        {
            LayerExtent grown = layout.AfterAppend(layout.Empty, length);
            Assert.True(layout.IsPossible(grown), $"{grown}");
            Assert.True(layout.IsPossible(layout.AfterTruncate(grown, length * 2 / 3)), $"{grown} cut to {length * 2 / 3}");
        }

        // As many rows as may wait, and one more.
        int body = (most + block) / block * block;
        Assert.True(layout.IsPossible(new(3 + most, 0, 3, 0)));
        Assert.False(layout.IsPossible(new(3 + most + 1, 0, 3, 0)));
        Assert.True(layout.IsPossible(new(3 + body + 5 + drafts + block - 1, body, 3, 0)));
        Assert.False(layout.IsPossible(new(3 + body + 5 + drafts + block, body, 3, 0)));

        // Fewer than none, parts of blocks, living rows that are not there, more left of a block than it has.
        foreach (LayerExtent wrong in (LayerExtent[])[
            new(-1, 0, 3, 0), new(3 + body - 1, body, 3, 0), new(3 + body + 1, -block, 3, 0), new(3 + body, body, 2, 0), new(3 + body, body, 3 + body + 1, 0),
            new(3 + body + 1, body, 3, -1), new(3 + body, body, 3, 1), new(3 + body + block, body, 3, block), .. block > 1 ? [new LayerExtent(3 + body, body - 1, 3, 0)] : (LayerExtent[])[]])
        {
            Assert.False(layout.IsPossible(wrong), $"{wrong}");
        }
    }

    [Fact]
    public void NoMoreRowsKeepCodesThanABlockOfTheNewestStepHas()
    {
        // A cut through the blocks of 128 of the older step leaves up to 127 rows, none of which has its codes; what is left of one of 32 may have them.
        KvCacheOptions options = CacheSamples.Options("q8", window: 5) with { Policy = [LayerSpecs.FromText("turboquant:bits=4; never: kivi:group=128")] };
        LayerLayout layout = LayerLayouts.Create(options)[0];
        Assert.Equal((32, 128), (layout.BlockRows, layout.Steps[1].BlockRows));
        LayerExtent cut = new(3 + 100, 0, 3, 100, Lost: true);
        Assert.True(layout.IsPossible(cut));
        Assert.False(layout.IsPossible(cut with { Lost = false }));
        Assert.True(layout.IsPossible(cut with { Lost = false, CutRows = 31 }));
        Assert.False(layout.IsPossible(cut with { CutRows = 101 }));
    }
}
