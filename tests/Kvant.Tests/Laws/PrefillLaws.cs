using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;
using Kvant.Tests.Caching;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Laws;

/// <summary>How a prompt is split changes neither what its tokens see nor the bytes that stay.</summary>
public sealed class PrefillLaws
{
    private const int Tokens = 170;

    [Theory]
    [InlineData("fp32", 1)]
    [InlineData("fp32", 2)]
    [InlineData("fp32", 3)]
    [InlineData("fp16", 4)]
    [InlineData("fp16", 5)]
    [InlineData("bf16", 6)]
    public void EveryTokenSeesWhatItWouldSeeAppendedAlone(string spec, int seed)
    {
        for (int round = 0; round < 3; round++)
        {
            var random = new Random((100 * seed) + round);
            int sinks = random.Next(4) * random.Next(30), kept = random.Next(1, 90);
            CacheGeometry geometry = CacheSamples.AnyGeometry(2, random);
            LayerGeometry shape = geometry[1];
            Eviction eviction = random.Next(4) switch { 0 => Eviction.None, 1 => new Eviction.MaxTokens(sinks + kept), _ => new Eviction.Newest(kept) };
            KvCacheOptions options = AttentionCases.Options(geometry, spec, sinks: sinks, window: random.Next(40)) with { Eviction = eviction };
            var settings = new AttentionSettings
            {
                Arithmetic = Arithmetic.Exact,
                Threads = random.Next(1, 3),
                Slopes = random.Next(2) == 0 ? null : [.. Enumerable.Range(0, shape.QueryHeads).Select(h => h * 0.05f)],
            };
            // Tokens that a call to Evict forgets once there are so many.
            (int At, int FirstLive) manual = random.Next(2) == 0 ? (Tokens, 0) : (random.Next(20, Tokens), random.Next(100));
            manual.FirstLive = Math.Min(manual.FirstLive, manual.At);
            string what = $"{spec}, seed {seed}, round {round}: {shape}, {sinks} sinks, {eviction}, evict {manual}";

            (float[] keys, float[] values) = CacheSamples.Tokens(shape, Tokens, random.Next());
            Round(keys, spec);
            Round(values, spec);
            float[] queries = TestRows.Gaussian(Tokens * shape.QueryHeads, shape.KeyDimension, random.Next(10_000));
            double[][] expected = Expected(options, settings, manual, keys, values, queries);
            foreach (int part in (int[])[1, 7, 50, Tokens, 0, -1])
            {
                float[] outputs = Run(options, settings, manual, part, random, keys, values, queries);
                int size = shape.QueryHeads * shape.ValueDimension;
                for (int token = 0; token < Tokens; token++)
                    AttentionCases.AssertOutput(expected[token], outputs.AsSpan(token * size, size), $"{what}, parts of {part}, token {token}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(CacheSamples.Pairs), MemberType = typeof(CacheSamples))]
    public void EverySplitAndEveryNumberOfThreadsLeavesTheSameBytes(string pair)
    {
        var random = new Random(7);
        foreach (Eviction eviction in (Eviction[])[Eviction.None, new Eviction.Newest(40), new Eviction.MaxTokens(150)])
        {
            KvCacheOptions options = CacheSamples.Options(pair, sinks: 5, window: 10, layers: 2, eviction: eviction, drafts: 3) with { Geometry = CacheSamples.AnyGeometry(2, random) };
            byte[][] frozen = [.. ((int[])[300, 1, 7, 50, 0, -1]).Select((part, i) =>
            {
                using var attention = new CacheAttention(options.Geometry, new AttentionSettings { Threads = 1 + (i % 3) });
                using var cache = new KvCache(options);
                for (int first = 0, count; first < 300; first += count)
                {
                    // A call to Evict comes between the 120th and the next.
                    count = Math.Min(Count(part, random), (first < 120 ? 120 : 300) - first);
                    foreach (int layer in options.Geometry.OwnLayers)
                    {
                        LayerGeometry shape = options.Geometry[layer];
                        (float[] keys, float[] values) = CacheSamples.Tokens(shape, 300, seed: layer);
                        float[] queries = TestRows.Gaussian(300 * shape.QueryHeads, shape.KeyDimension, seed: ~layer);
                        ReadOnlySpan<float> newKeys = Part(keys), newValues = Part(values), asked = Part(queries);
                        if (part == -1 && random.Next(2) == 0)
                        {
                            cache.ObserveQueries(layer, first, asked);
                            cache.Append(layer, newKeys, newValues);
                        }
                        else
                            attention.Prefill(cache, layer, asked, newKeys, newValues, new float[count * shape.QueryHeads * shape.ValueDimension]);
                    }

                    ReadOnlySpan<float> Part(float[] rows) => rows.AsSpan(rows.Length / 300 * first, rows.Length / 300 * count);

                    if (first + count == 120)
                        cache.Evict(90);
                }

                return cache.Freeze();
            })];
            Assert.All(frozen, bytes => Assert.True(frozen[0].AsSpan().SequenceEqual(bytes), $"{pair}, {eviction}: a split leaves other bytes."));
        }
    }

    // Parts of a size; 0 for parts of all sizes, -1 for such and tokens that are appended and asked alone.
    private static int Count(int part, Random random) => part > 0 ? part : random.Next(1, 60);

    private static float[] Run(
        KvCacheOptions options, AttentionSettings settings, (int At, int FirstLive) manual, int part, Random random, float[] keys, float[] values, float[] queries)
    {
        LayerGeometry g = options.Geometry[1];
        int owner = g.SharedLayer ?? 1, k = g.KvHeads * g.KeyDimension, v = g.ValuesInKeys ? 0 : g.KvHeads * g.ValueDimension, q = g.QueryHeads * g.KeyDimension, o = g.QueryHeads * g.ValueDimension;
        using var cache = new KvCache(options);
        using var attention = new CacheAttention(options.Geometry, [new(), settings]) { FewestSharedPairs = 0 };
        float[] outputs = new float[Tokens * o];
        for (int first = 0, count; first < Tokens; first += count)
        {
            if (first == manual.At)
                cache.Evict(manual.FirstLive);
            bool alone = part == -1 && random.Next(2) == 0;
            count = Math.Min(alone ? 1 : Count(part, random), (first < manual.At ? manual.At : Tokens) - first);
            ReadOnlySpan<float> newKeys = keys.AsSpan(first * k, count * k), newValues = values.AsSpan(first * v, count * v), asked = queries.AsSpan(first * q, count * q);
            Span<float> found = outputs.AsSpan(first * o, count * o);
            if (!alone)
                attention.Prefill(cache, 1, asked, newKeys, newValues, found, append: owner == 1);
            if (alone || owner != 1)
                cache.Append(owner, newKeys, newValues);
            if (alone)
                attention.Decode(cache, 1, asked, found);
            if (owner == 1)
                CacheSamples.Append(cache, count, seed: first);
        }

        return outputs;
    }

    // In double precision, from plain lists: sinks, and what is not forgotten when a token has come.
    private static double[][] Expected(
        KvCacheOptions options, AttentionSettings settings, (int At, int FirstLive) manual, float[] keys, float[] values, float[] queries)
    {
        LayerGeometry g = options.Geometry[1];
        double[][] outputs = new double[Tokens][];
        for (int token = 0, firstLive = 0; token < Tokens; token++)
        {
            firstLive = Math.Max(firstLive, Math.Max(token == manual.At ? manual.FirstLive : 0, options.Eviction switch
            {
                Eviction.Newest window => token + 1 - window.Tokens,
                Eviction.MaxTokens most => token + 1 - (most.Tokens - options.Sinks),
                _ => 0,
            }));
            outputs[token] = [.. Enumerable.Range(0, g.QueryHeads).SelectMany(head =>
            {
                List<CacheAttentionReference.Row> rows = [];
                for (int p = 0; p <= token; p++)
                {
                    int row = (p * g.KvHeads) + (head / g.GroupSize);
                    if (p < options.Sinks || p >= firstLive)
                        rows.Add(new(p, keys[(row * g.KeyDimension)..((row + 1) * g.KeyDimension)], g.ValuesInKeys ? keys.AsSpan(row * g.KeyDimension, g.ValueDimension).ToArray() : values[(row * g.ValueDimension)..((row + 1) * g.ValueDimension)]));
                }

                ReadOnlySpan<float> query = queries.AsSpan(((token * g.QueryHeads) + head) * g.KeyDimension, g.KeyDimension);
                return CacheAttentionReference.Attend(rows, query, token, head, settings, g.ValueDimension, g.SlidingWindow).Output;
            })];
        }

        return outputs;
    }

    // Numbers that the codec stores as they are.
    private static void Round(float[] rows, string spec)
    {
        if (spec == "fp32")
            return;
        Half[] halves = new Half[rows.Length];
        TensorPrimitives.ConvertToHalf(rows, halves);
        TensorPrimitives.ConvertToSingle(halves, rows);
        for (int i = 0; i < rows.Length && spec == "bf16"; i++)
            rows[i] = Math.Abs(rows[i]) < 1f / 64 ? 0 : BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(rows[i]) & 0xFFFF0000);
    }
}
