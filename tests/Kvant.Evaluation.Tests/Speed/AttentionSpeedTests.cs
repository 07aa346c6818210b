using Kvant.Attention;
using Kvant.Caching;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Speed;

namespace Kvant.Evaluation.Tests.Speed;

public sealed class AttentionSpeedTests
{
    private const string Codec = "turboquant:bits=4";

    private static readonly LayerSpecs s_pair = LayerSpecs.Parse(Codec);

    private static readonly LayerPolicy s_policy = LayerPolicy.Uniform(1, s_pair.Keys, s_pair.Values);

    private static readonly AttentionSpeed s_small = new()
    {
        Pairs = [s_pair, LayerSpecs.Parse("fp16"), LayerSpecs.Parse("turboquant:bits=2")],
        Dimension = 64,
        KvHeads = 2,
        Group = 2,
        Tokens = [256],
        Window = 32,
        Time = TimeSpan.FromMilliseconds(10),
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void MemoryForOneCodecAtATimeGivesTheSameRows(bool cold)
    {
        AttentionSpeed speed = s_small with { Cold = cold, ColdBytes = 1 << 20, Threads = 2 };
        IReadOnlyList<AttentionSpeedResult> all = speed.Run(), oneByOne = (speed with { MostBytes = 1 }).Run();
        Assert.Equal([AttentionSpeed.Baseline, "turboquant:bits=4", "fp16", "turboquant:bits=2"], all.Select(r => r.Codec));
        Assert.Equal(all.Select(r => (r.Codec, r.Cold, r.Tokens, r.Threads)), oneByOne.Select(r => (r.Codec, r.Cold, r.Tokens, r.Threads)));
        Assert.All(all, r => Assert.True(r.Cold == cold && r.NsPerTokenHead > 0 && r.RatioToRead > 0 && r.CompressedGBps > 0));
        Assert.Equal(1, all[0].RatioToFp32);
        Assert.Equal(0, all[0].OutputError);
        Assert.True(all[2].OutputError < all[1].OutputError && all[1].OutputError < all[3].OutputError);
    }

    [Fact]
    public void ColdWalkHoldsAsMuchAsItShould()
    {
        AttentionSpeed cold = s_small with { Cold = true };
        Assert.Equal(384, cold.Places(1 << 20));
        Assert.Equal(2, cold.Places((384L << 20) - 1));
        Assert.Equal(1, cold.Places(1L << 30));
        Assert.Equal(1, s_small.Places(1 << 20));
    }

    [Fact]
    public void WrongAnswerIsRefused()
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 2, QueryHeads = 4, KeyDimension = 64, ValueDimension = 64 };
        using var rows = new PlainRows(geometry, 256);
        rows.Randomize(seed: 1);
        using var cache = new KvCache(s_small.Options(s_policy));
        rows.AppendTo(cache);
        using var team = new WorkerTeam(1);
        var plain = new PlainAttention(geometry, team);
        using var answers = new AttentionAnswers(geometry, rows, plain, RandomVectors.Normal(4, 64, seed: 2));
        using var right = new ProcessorSteps(geometry, new(), team);
        // Each coordinate of a value is off by about .1 of its size (nMSE .009), each logit by as much: sqrt(.009 + .009) = .13.
        Assert.InRange(answers.Check(Codec, cache, right), .08, .2);
        using var wrong = new ProcessorSteps(geometry, new() { Temperature = 0.1f }, team);
        var refused = Assert.Throws<InvalidOperationException>(() => answers.Check(Codec, cache, wrong));
        Assert.Contains("'turboquant:bits=4' as it is timed is off by", refused.Message, StringComparison.Ordinal);
        using var other = new KvCache(s_small.Options(s_policy));
        other.Append(0, RandomVectors.Normal(256, 128, seed: 3), RandomVectors.Normal(256, 128, seed: 4));
        Assert.True(answers.Check(Codec, other, right) > 1); // the right answer for other rows: an error, not a fault
    }

    [Fact]
    public void RowsThatDecodeToZerosAreRefused()
    {
        float[] rows = RandomVectors.Normal(8, 64, seed: 1);
        Assert.Equal(0, EncodeSpeed.RequireNear(Codec, rows, rows));
        Assert.Throws<InvalidOperationException>(() => EncodeSpeed.RequireNear(Codec, rows, new float[rows.Length]));
    }

    [Fact]
    public void BareReadCountsTheBytesThatTheCacheUses()
    {
        using var cache = new KvCache(s_small.Options(s_policy));
        float[] tokens = RandomVectors.Normal(300, 128, seed: 1);
        cache.Append(0, tokens, tokens);
        Assert.Equal(cache.Statistics.TotalBytes - cache.Statistics.FreeBytes, BareRead.Bytes(cache));
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(3, false)]
    public void BareReadTakesAnyLength(int threads, bool cold)
    {
        using var team = new WorkerTeam(threads);
        using var read = new BareRead(10_000, cold, team);
        foreach (long bytes in (long[])[10_000, 1, 511, 6_000, 6_000, 513])
            read.Read(bytes);
        Assert.Throws<ArgumentOutOfRangeException>(() => read.Read(10_001));
    }

    [Fact]
    public void ZerosAreNoAnswer()
    {
        float[] truth = [1, 2, 3], zeros = new float[3];
        Assert.Throws<InvalidOperationException>(() => AttentionAnswers.RequireTimed(Codec, zeros, zeros, truth));
        Assert.Throws<InvalidOperationException>(() => AttentionAnswers.RequireTimed(Codec, zeros, truth, truth));
        Assert.Throws<InvalidOperationException>(() => EncodeSpeed.RequireNear(Codec, truth, zeros));
        Assert.Equal(0, AttentionAnswers.RequireTimed(Codec, truth, truth, truth));
    }
}
