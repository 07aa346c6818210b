using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Laws;

/// <summary>Caches below the limit of one pool: whatever they do, no more is taken than may be, no token is another's, and a call is refused only where nothing can be coded again.</summary>
public sealed class PoolLimitLaws
{
    [Theory, MemberData(nameof(LimitLaws.Policies), MemberType = typeof(LimitLaws))]
    public void AnyCallsOfSomeCachesKeepTheLimit(string policy) => Fresh.Each(policy, 3, seed =>
    {
        var random = new Random(seed);
        string[] parts = policy.Split(" | ");
        KvCacheOptions options = CacheSamples.Options("fp16", random.Next(3) * 3, random.Next(60), layers: 3, eviction: random.Next(4) == 0 ? new Eviction.Newest(random.Next(100, 500)) : Eviction.None) with
        {
            Policy = LayerPolicy.Uniform(3, LayerSpecs.FromText(parts[0])),
            Floor = parts.Length > 1 ? LayerPolicy.Uniform(3, LayerSpecs.FromText(parts[1])) : null,
            Geometry = CacheSamples.AnyGeometry(3, random) with { Rotary = new() },
        };
        using PagePool pool = new((long)(CachePlan.For(options, 1500).TotalBytes * (.4 + random.NextDouble())));
        options = options with { Pool = pool };
        List<(KvCache Cache, List<LimitLaws.Token>[] Tokens)> all = [.. Enumerable.Range(0, 3).Select(_ => (new KvCache(options), options.Geometry.OwnLayers.Select(_ => new List<LimitLaws.Token>()).ToArray()))];
        string history = $"{policy}, seed {seed}, {pool.MemoryLimit} bytes";
        for (int step = 0; step < 24; step++)
        {
            int i = random.Next(all.Count);
            history += $", {i}: {Step(random, i, all, pool)}";
            Assert.True(pool.AllocatedBytes <= pool.MemoryLimit, history);
            // Two bits lose .12 of the energy (Lloyd and Max), .13 without a bias, and what was coded before adds its own; a decoder of zeros loses all.
            foreach ((KvCache cache, List<LimitLaws.Token>[] tokens) in all)
                Assert.True(LimitLaws.AssertRows(cache, tokens, history) < .3, history);
        }

        foreach ((KvCache cache, _) in all)
            cache.Dispose();
        Assert.Equal(0, pool.UsedBytes);
    });

    private static string Step(Random random, int i, List<(KvCache Cache, List<LimitLaws.Token>[] Tokens)> all, PagePool pool)
    {
        (KvCache cache, List<LimitLaws.Token>[] tokens) = all[i];
        switch (random.Next(10))
        {
            case 0:
                int length = Math.Max(0, cache.Length - random.Next(200));
                if (!cache.CanTruncate(length) || Record.Exception(() => cache.Truncate(length)) is CacheFullException)
                    return "not cut";
                foreach (List<LimitLaws.Token> layer in tokens)
                    layer.RemoveRange(Math.Min(length, layer.Count), layer.Count - Math.Min(length, layer.Count));
                return $"cut to {length}";
            case 1:
                cache.Evict(cache.Length / 3);
                return "evict";
            case 2:
                // In the place of another.
                int other = (i + 1) % all.Count;
                all[other].Cache.Dispose();
                all[other] = (cache.Fork(), [.. tokens.Select(layer => new List<LimitLaws.Token>(layer))]);
                return $"fork to {other}";
            case 3:
                // What shared pages before has its own then.
                KvCache? thawed = null;
                if (Record.Exception(() => thawed = KvCache.Thaw(cache.Freeze(), pool)) is CacheFullException)
                    return "not thawed";
                cache.Dispose();
                all[i] = (thawed!, tokens);
                return "thaw";
            default:
                return Append(random, random.Next(3) switch { 0 => 1, 1 => random.Next(60), _ => random.Next(400) }, cache, tokens, pool);
        }
    }

    private static string Append(Random random, int count, KvCache cache, List<LimitLaws.Token>[] tokens, PagePool pool)
    {
        // What fits before fits.
        if (!pool.MakeRoom(cache.BytesToAppend(count)))
            return $"append {count} not";
        foreach ((List<LimitLaws.Token> there, int layer) in tokens.Zip(cache.Geometry.OwnLayers))
        {
            LayerGeometry shape = cache.Geometry[layer];
            (float[] Keys, float[] Values) batch = CacheSamples.Tokens(shape, count, random.Next());
            CacheSamples.AppendPart(cache, batch, 0, count, layer);
            int keys = shape.KvHeads * shape.KeyDimension, values = shape.ValuesInKeys ? 0 : shape.KvHeads * shape.ValueDimension;
            for (int i = 0; i < count; i++)
                there.Add(new(batch.Keys[(i * keys)..((i + 1) * keys)], batch.Values[(i * values)..((i + 1) * values)]));
        }

        return $"append {count}";
    }
}
