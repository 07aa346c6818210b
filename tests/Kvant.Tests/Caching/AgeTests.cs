using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Caching;

/// <summary>Steps by age: what <see cref="Laws.CacheLaws"/> and <see cref="Laws.WaitingLaws"/> do not say of them.</summary>
public sealed class AgeTests
{
    private const string Ladder = "q8; 96: turboquant:bits=4; 200: turboquant:bits=2,mean=32 / turboquant:bits=2";

    public static TheoryData<string> Ladders => [.. CacheSamples.Ladders];

    [Theory, MemberData(nameof(Ladders))]
    public void AnySplitGivesTheSameBytesAndThePlanKnowsThem(string ladder)
    {
        KvCacheOptions options = Options(ladder);
        (float[] Keys, float[] Values) batch = CacheSamples.Tokens(700, seed: 5);
        using var single = new KvCache(options);
        for (int tokens = 1; tokens <= 700; tokens++)
        {
            CacheSamples.AppendPart(single, batch, tokens - 1, tokens);
            Assert.Equal(CachePlan.For(options, tokens), single.Statistics);
            if (tokens is not (170 or 299 or 300 or 700))
                continue;
            using var whole = new KvCache(options);
            CacheSamples.AppendPart(whole, batch, 0, tokens);
            Assert.True(whole.Freeze().AsSpan().SequenceEqual(single.Freeze()), $"{ladder}, {tokens} tokens.");
        }
    }

    [Fact]
    public void TokensAreStoredAsTheirAgeSays()
    {
        using KvCache cache = CacheSamples.Cache(Options(Ladder), tokens: 500);
        List<(int First, int End, string Codec)> runs = [];
        cache.Read(runs, static (reader, found) =>
        {
            for (int i = 0; i < reader.RunCount(0); i++)
            {
                CacheRun run = reader.Run(0, 0, i);
                string codec = $"{run.KeyCodec.GetType().Name} of {run.KeyCodec.BitsPerValue:F1}";
                if (found.Count > 0 && found[^1].Codec == codec && found[^1].End == run.FirstPosition)
                    found[^1] = (found[^1].First, run.FirstPosition + run.Rows, codec);
                else
                    found.Add((run.FirstPosition, run.FirstPosition + run.Rows, codec));
            }
        });

        // 497 rows behind 3 sinks: 288 of them have at least 200 that are newer, 384 have 96, 448 have the window's 20. In blocks of 32.
        Assert.Equal([(3, 291), (291, 387), (387, 451), (0, 3), (451, 500)], runs.Select(run => (run.First, run.End)));
        Assert.Equal(4, runs.Select(run => run.Codec).Distinct().Count());
    }

    [Theory, MemberData(nameof(Ladders))]
    public void AttentionOverAllStepsIsThatOverTheirRows(string ladder)
    {
        CacheGeometry geometry = AttentionCases.Geometry(group: 3);
        using var cache = new KvCache(AttentionCases.Options(geometry, "fp16") with { Policy = [LayerSpecs.FromText(ladder)], Window = 20 });
        for (int tokens = 0; tokens < 600; tokens += 150)
        {
            AttentionCases.Append(cache, 150, seed: tokens);
            AttentionCases.AssertDecode(cache, new() { Arithmetic = Arithmetic.Exact }, $"{ladder}, {tokens + 150} tokens", seed: tokens);
        }
    }

    [Fact]
    public void StepsAreSpreadOverAppends()
    {
        // Blocks of 16 rows, 4 parts of each; three borders, at each of which a part is encoded and, but for the first, decoded before.
        LayerSpecs specs = new(FailingCodec.Spec, FailingCodec.Spec) { Ages = [new(60, CodecSpec.Parse("q8"), CodecSpec.Parse("q8")), new(100, FailingCodec.Spec, FailingCodec.Spec)] };
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp16", window: 20) with { Policy = [specs] }, tokens: 300);
        List<int> calls = [];
        for (int i = 0; i < 96; i++)
        {
            int before = FailingCodec.Calls;
            CacheSamples.Append(cache, 1, seed: i);
            calls.Add(FailingCodec.Calls - before);
        }

        Assert.InRange(calls.Max(), 1, 3);
        Assert.InRange(calls.Sum(), (6 * 3 * 4) - 4, (6 * 3 * 4) + 4);
    }

    [Fact]
    public void NothingIsAllocatedPerAppend()
    {
        using var cache = new KvCache(Options("quality; 90: balanced; 200: tiny") with { Pool = new PagePool() });
        (float[] Keys, float[] Values) batch = CacheSamples.Tokens(1200, seed: 5);
        CacheSamples.AppendPart(cache, batch, 0, 800);
        for (int i = 800; i < 900; i++)
            CacheSamples.AppendPart(cache, batch, i, i + 1);
        cache.Truncate(830);

        // Pages and their table apart, which grow with the sequence.
        long least = long.MaxValue;
        for (int i = 0; i < 64; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            CacheSamples.AppendPart(cache, batch, i, i + 1);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public void CodecThatFailsAsTokensAgeChangesNothing()
    {
        LayerSpecs specs = new(CodecSpec.Parse("q8"), CodecSpec.Parse("q8")) { Ages = [new(60, FailingCodec.Spec, CodecSpec.Parse("q4_0"))] };
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp16", window: 20) with { Policy = [specs] }, tokens: 150), other = CacheSamples.Cache(CacheSamples.Options("fp16", window: 20) with { Policy = [specs] }, tokens: 150);
        cache.Trim();
        byte[] before = cache.Freeze();
        FailingCodec.CallThatFails = 2;
        Assert.Throws<NotSupportedException>(() => CacheSamples.Append(cache, 40, seed: 9));
        FailingCodec.CallThatFails = 0;
        Assert.Equal(before, cache.Freeze());
        CacheSamples.Append(cache, 40, seed: 9);
        CacheSamples.Append(other, 40, seed: 9);
        Assert.Equal(other.Freeze(), cache.Freeze());
    }

    [Fact]
    public void RowsThatDoNotFitAStepAreRefusedAtTheDoor()
    {
        using var cache = new KvCache(CacheSamples.Options("fp32") with { Policy = [LayerSpecs.FromText("fp32; 100: q4_0")] });
        float[] keys = new float[CacheSamples.Heads * CacheSamples.KeyDimension], values = new float[CacheSamples.Heads * CacheSamples.ValueDimension];
        keys[70] = 1e9f;
        Assert.Contains("head 1", Assert.Throws<ArgumentException>(() => cache.Append(0, keys, values)).Message);
        Assert.Equal(0, cache.Length);
    }

    [Theory, MemberData(nameof(Ladders))]
    public void TextSurvivesTheRoundTrip(string ladder)
    {
        LayerSpecs specs = LayerSpecs.FromText(ladder);
        Assert.Equal(specs, LayerSpecs.FromText(specs.ToString()));
        Assert.Equal(specs.GetHashCode(), LayerSpecs.FromText(specs.ToString()).GetHashCode());
        Assert.NotEqual(specs, specs with { Ages = [] });
        Assert.Equal(specs.Ages[^1].Keys, specs.Oldest.Keys);
    }

    [Theory]
    [InlineData("q8; balanced", "'balanced'")]
    [InlineData("q8; 0: balanced", "'0: balanced'")]
    [InlineData("q8; 100: q8 / q8 / q8", "3 codecs")]
    [InlineData("q8; 100: q8; 100: q4_0", "100 follows 100")]
    [InlineData("q8; 100:", "''")]
    [InlineData("q8; 2147483646: q4_0", "'2147483646: q4_0'")] // what 'full' means is said by the word
    [InlineData("q8; 2147483647: q4_0", "'2147483647: q4_0'")]
    [InlineData("q8; 4294967396: q4_0", "'4294967396: q4_0'")]
    [InlineData("q8; -1: q4_0", "'-1: q4_0'")]
    [InlineData("nothing; 100: q8", "nothing")]
    public void TextThatIsNoneIsRefused(string text, string part) => Assert.Contains(part, Assert.Throws<FormatException>(() => LayerSpecs.FromText(text)).Message);

    [Fact]
    public void AgesWithinTheWindowAreRefused()
    {
        KvCacheOptions options = Options("q8; 20: q4_0");
        Assert.Contains("window's 20", Assert.Throws<ArgumentException>(() => new KvCache(options)).Message);
        Assert.Throws<ArgumentException>(() => LayerSpecs.Parse("q8") with { Ages = [.. Enumerable.Range(1, 8).Select(i => new AgeStep(100 * i, CodecSpec.Parse("q8"), CodecSpec.Parse("q8")))] });
        Assert.Throws<ArgumentOutOfRangeException>(() => new AgeStep(0, CodecSpec.Parse("q8"), CodecSpec.Parse("q8")));
    }

    private static KvCacheOptions Options(string ladder)
    {
        KvCacheOptions options = CacheSamples.Options(ladder.Contains("frame") ? "fp16" : "q8") with { Policy = [LayerSpecs.FromText(ladder)] };
        return options with { Geometry = options.Geometry with { Rotary = new() } };
    }
}
