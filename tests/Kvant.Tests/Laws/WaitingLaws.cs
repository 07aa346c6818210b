using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Laws;

/// <summary>Rows are encoded while they wait in the window, a few at each append, and nobody sees it. <see cref="KvCache.Trim"/> drops what is encoded so:
/// a cache that is trimmed before each call is one that encodes blocks as they leave.</summary>
public sealed class WaitingLaws
{
    // As many heads and sides as there are in CacheSamples.
    private const int Parts = 2 * CacheSamples.Heads;

    [Theory]
    [MemberData(nameof(CacheSamples.Policies), MemberType = typeof(CacheSamples))]
    public void CodesMadeAheadAreThoseOfTheBlockThatLeaves(string policy) => Fresh.Each(policy, 2, seed =>
    {
        var random = new Random(seed);
        using PagePool pool = new(), otherPool = new();
        int sinks = random.Next(2) * 3, window = random.Next(4) switch { 0 => 5, 1 => 33, 2 => 40, _ => 64 }, drafts = random.Next(2) * random.Next(20);
        Eviction eviction = random.Next(4) == 0 ? new Eviction.Newest(random.Next(1, 200)) : Eviction.None;
        KvCacheOptions options = CacheSamples.Options("fp16", sinks, window, layers: 3, eviction: eviction, drafts: drafts) with { Policy = CacheSamples.Policy(policy, random), Geometry = CacheSamples.AnyGeometry(3, random) };
        KvCache cache = new(options with { Pool = pool }), trimmed = new(options with { Pool = otherPool });
        string history = $"{policy}, sinks {sinks}, window {window}, drafts {drafts}, {eviction}";
        for (int step = 0; step < 16; step++)
        {
            int call = random.Next(7), size = random.Next(40), tokens = random.Next();
            history += $", {call} of {size}";
            Change(ref cache, pool, call, size, tokens, trim: false);
            Change(ref trimmed, otherPool, call, size, tokens, trim: true);
            Assert.True(cache.Freeze().AsSpan().SequenceEqual(trimmed.Freeze()), history);
            Assert.Equal((trimmed.Statistics, otherPool.UsedBytes, trimmed.BytesToAppend(50)), (cache.Statistics, pool.UsedBytes, cache.BytesToAppend(50)));
        }

        cache.Dispose();
        trimmed.Dispose();
    });

    [Theory]
    [InlineData(20, 1)] // 4 parts over 16 appends
    [InlineData(15, 1)]
    [InlineData(1, 2)] // over 2
    [InlineData(0, 4)] // nothing waits
    public void NoAppendEncodesMoreThanItsShare(int window, int most)
    {
        using KvCache cache = Failing(window, tokens: 200);
        using KvCache fork = cache.Fork(), late = Failing(window, tokens: 200);
        int calls = 0;
        for (int i = 0; i < 48; i++)
        {
            foreach (KvCache each in (KvCache[])[cache, fork])
            {
                int found = CallsOf(() => CacheSamples.Append(each, 1, seed: i));
                Assert.InRange(found, 0, most);
                calls += found;
            }
        }

        Assert.InRange(calls, (2 * 3 * Parts) - 2, (2 * 3 * Parts) + 2); // three blocks each; the fork's turn is another

        // One that begins in the middle of a block has fewer appends for all of it.
        late.Trim();
        LayerLayout layout = late.Layers[0].Layout;
        LayerExtent extent = late.Layers[0].Extent;
        int left = Enumerable.Range(1, FailingCodec.Rows).First(n => layout.AfterAppend(extent, n).BodyRows > extent.BodyRows), shares = Math.Min(left, layout.CodingAppends(0));
        Assert.InRange(left, 2, FailingCodec.Rows - 1);
        for (int i = 0; i < left; i++)
            Assert.InRange(CallsOf(() => CacheSamples.Append(late, 1, seed: i)), 0, (Parts + shares - 1) / shares);
    }

    [Fact]
    public void CodecThatFailsAheadOfTimeIsHeardWhenItsBlockLeaves()
    {
        using KvCache cache = Failing(window: 20, tokens: 200), other = Failing(window: 20, tokens: 200);
        int refused = 0;
        for (int i = 0; i < 64; i++)
        {
            // Whatever is encoded ahead fails; an append that needs it does too, and changes nothing.
            int body = cache.Layers[0].Extent.BodyRows;
            bool closes = cache.Layers[0].Layout.AfterAppend(cache.Layers[0].Extent, 1).BodyRows > body;
            byte[] before = cache.Freeze();
            FailingCodec.CallThatFails = 1;
            if (closes && !cache.Layers[0].Next[0].HasCodes(1, CacheSamples.Heads - 1))
            {
                Assert.Throws<NotSupportedException>(() => CacheSamples.Append(cache, 1, seed: i));
                Assert.Equal(before, cache.Freeze());
                refused++;
                FailingCodec.CallThatFails = 0;
            }

            CacheSamples.Append(cache, 1, seed: i);
            FailingCodec.CallThatFails = 0;
            CacheSamples.Append(other, 1, seed: i);
            Assert.Equal(other.Freeze(), cache.Freeze());
        }

        Assert.Equal(4, refused);
    }

    private static KvCache Failing(int window, int tokens) =>
        CacheSamples.Cache(CacheSamples.Options("fp16", window: window) with { Policy = [new(FailingCodec.Spec, FailingCodec.Spec)] }, tokens);

    private static int CallsOf(Action call)
    {
        int before = FailingCodec.Calls;
        call();
        return FailingCodec.Calls - before;
    }

    private static void Change(ref KvCache cache, PagePool pool, int call, int size, int seed, bool trim)
    {
        Trim(cache);
        switch (call)
        {
            case 0:
                Cut(cache, Math.Max(0, cache.Length - size));
                break;
            case 1:
                cache.Evict(Math.Max(0, cache.Length - (3 * size)));
                break;
            case 2:
                // The source goes its own way, and is forgotten.
                KvCache fork = cache.Fork();
                Append(cache, 20, ~seed);
                cache.Dispose();
                cache = fork;
                break;
            case 3:
                byte[] frozen = cache.Freeze();
                cache.Dispose();
                cache = KvCache.Thaw(frozen, pool);
                break;
            case 4:
                // A draft whose end is refused, and other tokens in its place.
                Append(cache, size, seed);
                Trim(cache);
                Cut(cache, cache.Length - (size / 2));
                Append(cache, size / 2, ~seed);
                break;
            default:
                Append(cache, 1 + size, seed);
                break;
        }

        // One by one, in every layer.
        void Append(KvCache to, int tokens, int seed)
        {
            (int Layer, (float[], float[]) Batch)[] batches = [.. to.Geometry.OwnLayers.Select(layer => (layer, CacheSamples.Tokens(to.Geometry[layer], tokens, seed)))];
            for (int i = 0; i < tokens; i++)
            {
                foreach ((int layer, (float[], float[]) batch) in batches)
                {
                    Trim(to);
                    CacheSamples.AppendPart(to, batch, i, i + 1, layer);
                }
            }
        }

        static void Cut(KvCache which, int length)
        {
            if (which.CanTruncate(length))
                which.Truncate(length);
        }

        void Trim(KvCache which)
        {
            if (trim)
                which.Trim();
        }
    }
}
