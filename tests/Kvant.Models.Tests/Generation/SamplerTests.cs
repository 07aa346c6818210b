using Kvant.Models.Generation;

namespace Kvant.Models.Tests.Generation;

public sealed class SamplerTests
{
    private static readonly float[] s_logits = [MathF.Log(0.05f), MathF.Log(0.4f), MathF.Log(0.25f), MathF.Log(0.3f), float.NegativeInfinity];

    [Fact]
    public void GreedyTakesTheFirstOfTheBest()
    {
        Sampler sampler = new(4);
        Assert.Equal(1, sampler.Choose([1, 3, 2, 3]));
    }

    [Fact]
    public void TemperatureOneDrawsByTheProbabilities() => AssertShares([0.05, 0.4, 0.25, 0.3, 0], new SamplerOptions { Temperature = 1, Seed = 1 });

    [Fact]
    public void LowTemperatureSharpens()
    {
        double[] squares = [0.0025, 0.16, 0.0625, 0.09, 0];
        AssertShares([.. squares.Select(s => s / squares.Sum())], new SamplerOptions { Temperature = 0.5, Seed = 2 });
    }

    [Fact]
    public void TopKKeepsTheMostLikely() => AssertShares([0, 0.4 / 0.7, 0, 0.3 / 0.7, 0], new SamplerOptions { Temperature = 1, TopK = 2, Seed = 3 });

    // 0.4 is less than 0.6, 0.4 + 0.3 is enough.
    [Fact]
    public void TopPKeepsTheFewestThatAreEnough() => AssertShares([0, 0.4 / 0.7, 0, 0.3 / 0.7, 0], new SamplerOptions { Temperature = 1, TopP = 0.6, Seed = 4 });

    // Of the two that top-k leaves, the first has 0.4 / 0.7 = 0.57.
    [Fact]
    public void TopPCountsAmongWhatTopKLeaves() => AssertShares([0, 1, 0, 0, 0], new SamplerOptions { Temperature = 1, TopK = 2, TopP = 0.55, Seed = 5 });

    [Fact]
    public void TheSameSeedChoosesTheSame()
    {
        SamplerOptions options = new() { Temperature = 1.3, TopK = 4, TopP = 0.95, Seed = 6 };
        Sampler first = new(5, options), second = new(5, options), other = new(5, options with { Seed = 7 });
        int[] Draw(Sampler s) => [.. Enumerable.Range(0, 50).Select(_ => s.Choose(s_logits))];
        int[] drawn = Draw(first);
        Assert.Equal(drawn, Draw(second));
        Assert.NotEqual(drawn, Draw(other));
    }

    [Fact]
    public void NonsenseIsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(5, new SamplerOptions { Temperature = double.NaN }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(5, new SamplerOptions { TopP = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(5, new SamplerOptions { TopK = -1 }));
        Assert.Throws<ArgumentException>(() => new Sampler(5).Choose([1, 2]));
        Assert.Throws<ArgumentException>(() => new Sampler(2).Choose([1, float.NaN]));
        Assert.Throws<ArgumentException>(() => new Sampler(2).Choose([float.NegativeInfinity, float.NegativeInfinity]));
    }

    private static void AssertShares(double[] shares, SamplerOptions options)
    {
        const int draws = 20_000;
        Sampler sampler = new(shares.Length, options);
        int[] counts = new int[shares.Length];
        for (int i = 0; i < draws; i++) counts[sampler.Choose(s_logits)]++;
        for (int i = 0; i < shares.Length; i++)
        {
            double deviation = Math.Sqrt(draws * shares[i] * (1 - shares[i]));
            Assert.Equal(draws * shares[i], counts[i], (Tolerances.Sigmas * deviation) + 1e-9);
        }
    }
}
