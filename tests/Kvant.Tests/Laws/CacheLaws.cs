using FsCheck;
using FsCheck.Fluent;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Tests.Caching;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Laws;

/// <summary>The laws of the cache, for every method: what it holds never depends on how it came there, and equals a slow oracle.</summary>
public sealed class CacheLaws
{
    private static readonly Config s_config = Config.QuickThrowOnFailure.WithMaxTest(6).WithQuietOnSuccess(true).WithReplay(20261, 3);

    [Theory]
    [MemberData(nameof(CacheSamples.Pairs), MemberType = typeof(CacheSamples))]
    public void AnySplitGivesTheSameBytes(string pair)
    {
        int block = BlockRows(pair);
        (int Sinks, int Window)[] shapes = [(0, 0), (3, 20), (4, 1), (300, 0), (0, 500)];
        foreach ((int sinks, int window) in shapes)
        {
            foreach (int tokens in (int[])[0, 1, sinks + window + block - 1, sinks + window + block, sinks + window + block + 1, 333])
            {
                KvCacheOptions options = CacheSamples.Options(pair, sinks, window);
                (float[] Keys, float[] Values) batch = CacheSamples.Tokens(tokens, seed: 5);
                using var whole = new KvCache(options);
                using var single = new KvCache(options);
                CacheSamples.AppendPart(whole, batch, 0, tokens);
                for (int i = 0; i < tokens; i++)
                    CacheSamples.AppendPart(single, batch, i, i + 1);
                Assert.True(whole.Freeze().AsSpan().SequenceEqual(single.Freeze()), $"{pair}, sinks {sinks}, window {window}, {tokens} tokens.");
                Assert.Equal(whole.Statistics, single.Statistics);
            }
        }
    }

    [Theory]
    [MemberData(nameof(CacheSamples.Pairs), MemberType = typeof(CacheSamples))]
    public void AnySequenceOfCallsEqualsTheOracle(string pair) => ForAllSeeds(pair, seed =>
    {
        var random = new Random(seed);
        int sinks = random.Next(3) * 3, window = random.Next(4) switch { 0 => 0, 1 => 1, 2 => 20, _ => 70 }, drafts = random.Next(2) * random.Next(50);
        Eviction eviction = random.Next(4) switch { 0 => new Eviction.SlidingWindow(random.Next(1, 200)), 1 => new Eviction.MaxTokens(sinks + random.Next(1, 200)), _ => Eviction.None };
        using var pool = new PagePool();
        KvCacheOptions options = CacheSamples.Options(pair, sinks, window, eviction: eviction, pool: pool, windowCodec: random.Next(4) == 0 ? "fp32" : null, drafts: drafts);
        var cache = new KvCache(options);
        var oracle = new CacheOracle(options);
        string history = $"{pair}, seed {seed}, sinks {sinks}, window {window}, drafts {drafts}, {eviction}";
        for (int step = 0; step < 14; step++)
        {
            history += Step(random, ref cache, ref oracle, pool);
            CacheSamples.AssertEqual(oracle, cache, history);
            Assert.True(cache.Statistics.TotalBytes == pool.UsedBytes, $"{history}: {cache.Statistics} but {pool.UsedBytes} bytes are used.");
        }

        cache.Dispose();
        return pool.UsedBytes == 0;
    });

    // One random call, on both. Returns what it was.
    private static string Step(Random random, ref KvCache cache, ref CacheOracle oracle, PagePool pool)
    {
        switch (random.Next(9))
        {
            case 0:
                int length = random.Next(cache.Length + 2);
                cache.Truncate(length);
                oracle.Truncate(length);
                return $", truncate {length}";
            case 1:
                int back = Math.Max(0, cache.Length - random.Next(40));
                cache.Truncate(back);
                oracle.Truncate(back);
                return $", truncate {back}";
            case 2:
                int firstLive = random.Next(cache.Length + 1);
                cache.Evict(firstLive);
                oracle.Evict(firstLive);
                return $", evict {firstLive}";
            case 3:
                KvCache fork = cache.Fork();
                CacheOracle copy = oracle.Copy();
                (float[] Keys, float[] Values) other = CacheSamples.Tokens(50, random.Next());
                CacheSamples.AppendPart(fork, other, 0, 50);
                copy.Append(other.Keys, other.Values, 50);
                fork.Truncate(fork.Length - 10);
                copy.Truncate(copy.Length - 10);
                CacheSamples.AssertEqual(copy, fork, "the fork");
                CacheSamples.AssertEqual(oracle, cache, "the source of a fork");
                (KvCache dropped, cache, oracle) = random.Next(2) == 0 ? (fork, cache, oracle) : (cache, fork, copy);
                dropped.Dispose();
                return ", fork";
            case 4:
                byte[] frozen = cache.Freeze();
                cache.Dispose();
                cache = KvCache.Thaw(frozen, pool);
                Assert.True(frozen.AsSpan().SequenceEqual(cache.Freeze()), "Thawed and frozen again the bytes differ.");
                return ", thaw";
            default:
                int tokens = random.Next(5) switch { 0 => 1, 1 => 2, 2 => random.Next(40), _ => random.Next(200) };
                (float[] Keys, float[] Values) batch = CacheSamples.Tokens(tokens, random.Next());
                int split = random.Next(tokens + 1);
                CacheSamples.AppendPart(cache, batch, 0, split);
                CacheSamples.AppendPart(cache, batch, split, tokens);
                oracle.Append(batch.Keys, batch.Values, tokens);
                return $", append {split} + {tokens - split}";
        }
    }

    private static int BlockRows(string pair)
    {
        string[] specs = pair.Split('|');
        return Math.Max(
            CodecSpec.Parse(specs[0]).CreateCodec(CacheSamples.KeyDimension, CodecRole.KeyTiles).RowsPerBlock,
            CodecSpec.Parse(specs[^1]).CreateCodec(CacheSamples.ValueDimension, CodecRole.ValueTiles).RowsPerBlock);
    }

    private static void ForAllSeeds(string pair, Func<int, bool> law) =>
        Check.One(s_config, Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed => law(seed).Label($"{pair}, seed {seed}")));
}
