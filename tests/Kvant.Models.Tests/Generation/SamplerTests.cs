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

    // What is finite stays so, however extreme a penalty that is taken; what is forbidden stays forbidden.
    [Theory]
    [InlineData(double.Epsilon, 0, 0, 1)]
    [InlineData(1e-300, 0, 0, 1)]
    [InlineData(1, -1e300, 0, 1)]
    [InlineData(1, 0, -1e300, 1)]
    [InlineData(1, 1e300, 0, 0)]
    public void ExtremePenaltiesStillChoose(double repetition, double presence, double frequency, int wanted)
    {
        Sampler sampler = new(4, new SamplerOptions { RepetitionPenalty = repetition, PresencePenalty = presence, FrequencyPenalty = frequency });
        sampler.Accept(1);
        sampler.Accept(3);
        Assert.Equal(wanted, sampler.Choose([3, 2, 1, float.NegativeInfinity]));
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

    // A quarter of .4 is .1: more than .05, less than the others.
    [Fact]
    public void MinPKeepsWhatIsLikelyEnough() => AssertShares([0, 0.4 / 0.95, 0.25 / 0.95, 0.3 / 0.95, 0], new SamplerOptions { Temperature = 1, MinP = 0.25, Seed = 6 });

    [Fact]
    public void MinPCountsAtTemperatureOneAndLeavesTheMostLikely()
    {
        AssertShares([0, 1, 0, 0, 0], new SamplerOptions { Temperature = 5, MinP = 1, Seed = 7 });
        AssertShares([0, 0.4 / 0.7, 0, 0.3 / 0.7, 0], new SamplerOptions { Temperature = 1, TopP = 0.9, MinP = 0.7, Seed = 8 });
    }

    [Fact]
    public void BiasesAreAddedBeforeAnythingElse()
    {
        AssertShares([0.05 / 0.6, 0, 0.25 / 0.6, 0.3 / 0.6, 0], new SamplerOptions { Temperature = 1, LogitBias = new Dictionary<int, float> { [1] = float.NegativeInfinity }, Seed = 9 });
        Assert.Equal(0, new Sampler(5, new SamplerOptions { LogitBias = new Dictionary<int, float> { [0] = 10 } }).Choose(s_logits));
    }

    [Fact]
    public void PenaltiesAreThoseOfTheirFormulas()
    {
        float[] logits = [2, 1.9f, -1, -1.1f, 0.5f];
        // 2 / 1.5 < 1.9 / 1; once both came, 2 / 1.5 again.
        Sampler repetition = new(5, new SamplerOptions { RepetitionPenalty = 1.5 });
        Assert.Equal([0, 1, 0], Enumerable.Range(0, 3).Select(_ => repetition.Choose(logits)));
        // Negative ones are multiplied: -1 * 1.5 < -1.1.
        repetition = new(5, new SamplerOptions { RepetitionPenalty = 1.5, LogitBias = new Dictionary<int, float> { [0] = -9, [1] = -9, [4] = -9 } });
        Assert.Equal([2, 3], Enumerable.Range(0, 2).Select(_ => repetition.Choose(logits)));
        // Presence once, frequency each time: 2 - .15 < 1.9; 2 - .15 > 1.9 - .15; then 2 - .3.
        Sampler presence = new(5, new SamplerOptions { PresencePenalty = 0.15 }), frequency = new(5, new SamplerOptions { FrequencyPenalty = 0.15 });
        Assert.Equal([0, 1, 0, 0], Enumerable.Range(0, 4).Select(_ => presence.Choose(logits)));
        Assert.Equal([0, 1, 0, 1], Enumerable.Range(0, 4).Select(_ => frequency.Choose(logits)));
    }

    [Fact]
    public void PenaltiesKnowWhatWasReadAndForgetWhatIsLongAgo()
    {
        float[] logits = [2, 1.9f, 0];
        Sampler sampler = new(3, new SamplerOptions { PresencePenalty = 0.15, RecentTokens = 2 });
        sampler.Accept(0);
        Assert.Equal(1, sampler.Choose(logits)); // recent now: 0, 1
        sampler.Accept(2);
        Assert.Equal(0, sampler.Choose(logits)); // 1, 2
        Assert.Equal(1, new Sampler(3, new SamplerOptions { PresencePenalty = 0.15, LogitBias = new Dictionary<int, float> { [0] = -1 } }).Choose(logits));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(3));
    }

    [Fact]
    public void PenaltiesAllocateNothing()
    {
        Sampler sampler = new(5, new SamplerOptions { Temperature = 1, TopP = 0.9, MinP = 0.01, RepetitionPenalty = 1.1, FrequencyPenalty = 0.1, LogitBias = new Dictionary<int, float> { [0] = 1 } });
        for (int i = 0; i < 100; i++) sampler.Choose(s_logits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) sampler.Choose(s_logits);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void SettingsWithoutSenseAreRefused()
    {
        SamplerOptions[] wrong =
        [
            new() { MinP = -0.1 }, new() { MinP = 1.1 }, new() { MinP = double.NaN }, new() { RepetitionPenalty = 0 }, new() { RepetitionPenalty = double.PositiveInfinity },
            new() { PresencePenalty = double.NaN }, new() { FrequencyPenalty = double.NegativeInfinity }, new() { PresencePenalty = 1, RecentTokens = -1 },
            new() { LogitBias = new Dictionary<int, float> { [5] = 1 } }, new() { LogitBias = new Dictionary<int, float> { [0] = float.NaN } },
        ];
        Assert.All(wrong, options => Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(5, options)));
    }

    // Of logits with many ties, at every share, in vocabularies of every size: what sorting all of them gives.
    [Fact]
    public void TheNucleusIsThatOfAFullSort()
    {
        Random random = new(20260501);
        for (int round = 0; round < 200; round++)
        {
            int size = 1 + random.Next(round < 100 ? 8 : 2000);
            float step = (float)Math.Pow(2, random.Next(-12, 2)), spread = (float)Math.Pow(4, random.Next(-2, 4));
            float[] logits = [.. Enumerable.Range(0, size).Select(_ => MathF.Round(spread * (random.NextSingle() - 0.5f) / step) * step)];
            if (round % 3 == 0) logits[random.Next(size)] = float.NegativeInfinity;
            if (round % 5 == 0) logits[random.Next(size)] = -0f;
            float largest = logits.Max();
            if (float.IsInfinity(largest)) continue;
            double share = random.NextDouble();
            int[] tokens = new int[size];
            int count = new Nucleus(size).Find(logits, largest, share, tokens);
            Assert.Equal(Sorted(logits, largest, share), tokens.Take(count));
        }
    }

    [Fact]
    public void TheNucleusOfEqualLogitsIsTheEarliest()
    {
        int[] tokens = new int[1000];
        Assert.Equal(500, new Nucleus(1000).Find(new float[1000], 0, 0.5, tokens));
        Assert.Equal(Enumerable.Range(0, 500), tokens.Take(500));
        Assert.Equal(501, new Nucleus(1000).Find(new float[1000], 0, 0.5001, tokens));
    }

    [Fact]
    public void ChoosingAllocatesNothing()
    {
        Sampler sampler = new(5, new SamplerOptions { Temperature = 1, TopP = 0.9 });
        sampler.Choose(s_logits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++) sampler.Choose(s_logits);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

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

    private static int[] Sorted(float[] logits, float largest, double share)
    {
        int[] order = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i)];
        double left = share * order.Sum(i => Math.Exp(logits[i] - largest));
        return [.. order.TakeWhile(i =>
        {
            bool taken = left > 0;
            left -= Math.Exp(logits[i] - largest);
            return taken;
        })];
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
