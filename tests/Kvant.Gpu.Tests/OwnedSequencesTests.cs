using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>Any calls on two caches in step, of which a device owns the pages of one: each answer is the same, to the bit.</summary>
public sealed class OwnedSequencesTests
{
    private static CodecSpec Spec(string text) => CodecSpec.Parse(text);

    public static TheoryData<string> Kinds => ["plain", "ages", "limit", "window", "layers"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AnyCallsGiveTheSame(string kind)
    {
        Fresh.Each($"owned pages, {kind}", 1, seed => CallsWithPagesAway(kind, seed));
        // Of some calls that are always the same, in many pages were away: where none ever is, both caches are alike.
        int away = Enumerable.Range(1, 2).Sum(seed => CallsWithPagesAway(kind, seed));
        Assert.True(away >= 10, $"pages were away behind {away} of 120 calls");
    }

    private static int CallsWithPagesAway(string kind, int seed)
    {
        var random = new Random(seed);
        GpuCases.RequireDevice();
        using PagePool pool = new(), other = new();
        using var device = GpuDevice.Open();
        List<Pair> pairs = [new(new(Options(kind) with { Pool = pool }), new(Options(kind) with { Pool = other }), device, random.Next(2) == 0)];
        int away = 0;
        for (int call = 0; call < 60; call++)
        {
            Pair pair = pairs[random.Next(pairs.Count)];
            string what = $"call {call}, {pair.Owned.Length} tokens before";
            if (pairs.Count < 4 && random.Next(10) == 0)
                pairs.Add(new(pair.Owned.Fork(), pair.Plain.Fork(), device, random.Next(2) == 0, random.Next(3) > 0));
            else if (pairs.Count > 1 && random.Next(12) == 0)
                End(pairs, pair);
            else
                pair.Call(random, what);
            pair = pairs[random.Next(pairs.Count)];
            pair.Compare(random, what);
            away += pairs.Any(one => OwnedCases.Away(one.Owned) > 0) ? 1 : 0;
            if (pairs.Count == 1)
                Assert.Equal(pairs[0].Owned.Statistics.TotalBytes - OwnedCases.Away(pairs[0].Owned), pool.UsedBytes);
        }

        while (pairs.Count > 0)
        {
            pairs[^1].CompareFiles("at the end");
            End(pairs, pairs[^1]);
        }

        Assert.Equal((0, 0), (pool.UsedBytes, other.UsedBytes));
        Assert.InRange(device.UsedBytes, 0, 1 << 17); // tables that all caches share
        return away;
    }

    private static void End(List<Pair> pairs, Pair pair)
    {
        pairs.Remove(pair);
        pair.Dispose();
    }

    private static KvCacheOptions Options(string kind)
    {
        CacheGeometry geometry = AttentionCases.Geometry(layers: kind == "layers" ? 2 : 1) with { Rotary = new() { Base = 10_000 } };
        geometry = kind == "window" ? AttentionCases.Windowed(geometry, 200) : geometry;
        LayerSpecs specs = new(Spec(kind == "plain" ? "turboquant:bits=4,mean=32,meanbits=4,frame=balanced" : "turboquant:bits=4"), Spec("turboquant:bits=3,code=trellis"));
        LayerSpecs floor = new(Spec("turboquant:bits=2"), Spec("turboquant:bits=2"));
        if (kind == "ages")
            specs = specs with { Ages = [new(150, Spec("turboquant:bits=3"), Spec("turboquant:bits=2")), new(400, floor.Keys, floor.Values)] };
        return new()
        {
            Geometry = geometry,
            Policy = new LayerPolicy([.. Enumerable.Repeat(specs, geometry.Layers)]),
            Sinks = 4,
            Window = 16,
            DraftTokens = 20,
            MemoryLimit = kind == "limit" ? 150_000 : null,
            Floor = kind == "limit" ? new LayerPolicy([floor]) : null,
        };
    }

    /// <summary>Two caches in step.</summary>
    private sealed class Pair(KvCache owned, KvCache plain, GpuDevice device, bool encodes, bool owns = true) : IDisposable
    {
        private readonly GpuKvCache _copy = new(owned, device, encodes, owns), _follows = new(plain, device);

        public KvCache Owned => owned;

        public KvCache Plain => plain;

        public void Call(Random random, string what)
        {
            int length = owned.Length, layer = random.Next(owned.Geometry.Layers);
            switch (random.Next(14))
            {
                case 0:
                    int cut = random.Next(3) == 0 ? Math.Min(length, 4 + (random.Next(20) * 32)) : Math.Max(0, length - random.Next(1, random.Next(2) == 0 ? 20 : 400));
                    if (owned.CanTruncate(cut))
                        Both(cache => cache.Truncate(cut));
                    break;
                case 1:
                    int live = random.Next(length + 1);
                    Both(cache => cache.Evict(live));
                    break;
                case 2:
                    int tokens = random.Next(length + 1);
                    string text = random.Next(2) == 0 ? "turboquant:bits=2" : "turboquant:bits=3";
                    Both(cache => cache.Recode(LayerPolicy.Uniform(cache.Geometry.Layers, Spec(text), Spec("turboquant:bits=2")), tokens));
                    break;
                case 3:
                    CompareFiles(what);
                    break;
                case 4:
                    int from = owned.Geometry.Layers == 1 ? Math.Max(owned.FirstLive(0), 0) : 4, count = Math.Max(0, length - from);
                    Assert.True(Rows(owned, layer, from, count).AsSpan().SequenceEqual(Rows(plain, layer, from, count)), what);
                    break;
                case 5:
                    Assert.True(OwnedCases.DecodedHere(plain, layer).AsSpan().SequenceEqual(OwnedCases.DecodedHere(owned, layer)), what);
                    break;
                case 6 when random.Next(5) == 0:
                    Both(cache => cache.Clear());
                    break;
                case 7:
                    _copy.Upload();
                    owned.Trim();
                    break;
                default:
                    for (int i = 0; i < owned.Geometry.Layers; i++)
                        Append(random, (layer + i) % owned.Geometry.Layers);
                    break;
            }
        }

        public void Compare(Random random, string what)
        {
            int layer = random.Next(owned.Geometry.Layers);
            Assert.Equal((plain.Length, plain.FirstLive(layer)), (owned.Length, owned.FirstLive(layer)));
            if (owned.LiveTokens(layer) > 0)
                Assert.True(OwnedCases.Decoded(_follows, layer).AsSpan().SequenceEqual(OwnedCases.Decoded(_copy, layer)), what);
        }

        public void CompareFiles(string what) => Assert.True(plain.Freeze().AsSpan().SequenceEqual(owned.Freeze()), what);

        public void Dispose()
        {
            _copy.Dispose();
            _follows.Dispose();
            owned.Dispose();
            plain.Dispose();
        }

        private void Append(Random random, int layer)
        {
            int seed = random.Next(), tokens = random.Next(3) == 0 ? random.Next(1, 40) : random.Next(40, 300), way = random.Next(3);
            (float[] keys, float[] values) = AttentionCases.Rows(owned.Geometry, tokens, seed);
            bool first = Try(() => plain.Append(layer, keys, values)), second = Try(() =>
            {
                if (way == 0)
                    owned.Append(layer, keys, values);
                else
                    _copy.Append(layer, keys, values);
            });
            Assert.Equal(first, second);
            if (way == 2)
                _copy.Upload();
        }

        // Under a limit of the cache's own both are refused or none.
        private void Both(Action<KvCache> call) => Assert.Equal(Try(() => call(plain)), Try(() => call(owned)));

        private static bool Try(Action call)
        {
            try
            {
                call();
                return true;
            }
            catch (Exception refused) when (refused is CacheFullException or InvalidOperationException)
            {
                return false;
            }
        }

        private static float[] Rows(KvCache cache, int layer, int first, int count)
        {
            float[] keys = new float[count * 64], values = new float[count * 64];
            if (count > 0 && cache.FirstLive(layer) <= first)
                cache.Decode(layer, 1, first, count, keys, values);
            return [.. keys, .. values];
        }
    }
}
