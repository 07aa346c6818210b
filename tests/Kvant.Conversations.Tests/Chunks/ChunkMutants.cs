using System.Buffers.Binary;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Conversations.Tests.Chunks;

/// <summary>A small stored sequence of two chunks, with a part of every kind, and what comes of chunks that are damaged.</summary>
internal sealed class ChunkMutants
{
    private readonly PrefixOptions _options;

    public ChunkMutants(string keys = "q8:frame=balanced", string values = "kivi:group=16")
    {
        KvCacheOptions cache = new()
        {
            Geometry = new() { Layers = 2, KvHeads = 1, QueryHeads = 1, KeyDimension = 16, ValueDimension = 8, Rotary = new() },
            Policy = [LayerSpecs.Parse(keys, values), LayerSpecs.Parse("q8")],
            Sinks = 2,
            Window = 4,
            Identity = new() { Weights = "w" },
        };
        _options = new() { Cache = cache with { Geometry = cache.Geometry.WithLayers((layer, shape) => layer == 0 ? shape : shape with { SlidingWindow = 300 }) }, ChunkTokens = 128, Sections = ["s"] };
        Plan = new ChunkPlan(_options);
        Tokens = [.. Enumerable.Range(0, 2 + 256).Select(i => 7 * i)];
        Keys = Plan.KeysOf(Tokens);
        using var source = new KvCache(_options.Cache);
        foreach (int layer in (int[])[0, 1])
        {
            var random = new SeededRandom((ulong)layer);
            float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)random.NextGaussian())];
            source.ObserveQueries(layer, 0, Numbers(280 * 16));
            for (int token = 0; token < 280; token += 20)
                source.Append(layer, Numbers(20 * 16), Numbers(20 * 8));
        }

        Values = [.. Enumerable.Range(0, 2).Select(chunk =>
        {
            byte[] value = new byte[Plan.LargestChunk(chunk)];
            int length = ChunkBytes.Write(Plan, source, chunk, Keys[chunk], chunk == 0 ? default : Keys[0], Plan.Tokens(Tokens, chunk), [[1, 2, 3]], value);
            return value[..length];
        })];
    }

    public ChunkPlan Plan { get; }

    public int[] Tokens { get; }

    public ChunkKey[] Keys { get; }

    /// <summary>The two chunks as they are.</summary>
    public byte[][] Values { get; }

    /// <summary>What is wrong with a value under the key of a chunk.</summary>
    public ChunkMiss? Check(int chunk, byte[] value) =>
        ChunkBytes.Check(Plan, chunk, Keys[chunk], chunk == 0 ? default : Keys[0], Plan.Tokens(Tokens, chunk), chunk == 0 ? null : State, value, out _);

    /// <summary>Makes the checksums of a damaged value right, as far as its header says where they are.</summary>
    public static byte[] Seal(byte[] value)
    {
        byte[] sealedValue = [.. value];
        if (value.Length < 124 || Number(12) is not (>= 124 and var length) || length > value.Length)
            return sealedValue;
        long entries = 120 + ((long)Number(100) * Number(104)) + Number(108), at = length;
        for (int layer = 0; layer < Math.Min(Number(112), 100) && entries >= 0 && entries + 12 <= length - 4; layer++, entries += 12)
        {
            int bytes = Number((int)entries + 4);
            if (bytes < 0 || at + bytes > value.Length)
                break;
            BinaryPrimitives.WriteUInt32LittleEndian(sealedValue.AsSpan((int)entries + 8), Crc32C.Compute(sealedValue.AsSpan((int)at, bytes)));
            at += bytes;
        }

        BinaryPrimitives.WriteUInt32LittleEndian(sealedValue.AsSpan(length - 4), Crc32C.Compute(sealedValue.AsSpan(0, length - 4)));
        return sealedValue;

        int Number(int offset) => BinaryPrimitives.ReadInt32LittleEndian(value.AsSpan(offset));
    }

    /// <summary>A chunk in another form, by what stands in it alone, as stores make it.</summary>
    /// <param name="value">The chunk.</param>
    /// <param name="first">The first of its sequence.</param>
    /// <param name="to">The codecs.</param>
    /// <exception cref="InvalidDataException">One of them is no chunk.</exception>
    /// <exception cref="ArgumentException">Its blocks, or what codecs chose, are such as no cache wrote; or the codecs do not fit.</exception>
    public static byte[] Recode(byte[] value, byte[] first, LayerSpecs to)
    {
        (ChunkPlan plan, ChunkHeader header) = Read(value);
        (ChunkPlan planOfFirst, ChunkHeader headerOfFirst) = Read(first);
        if (!plan.Recipe.AsSpan().SequenceEqual(planOfFirst.Recipe) || headerOfFirst.Position > 0)
            throw new InvalidDataException("They are of different sequences.");
        return ChunkRecoding.Run(plan, header, value, new SequenceCodecs(planOfFirst, headerOfFirst, first), header.Form!.Smaller(plan, to));

        static (ChunkPlan Plan, ChunkHeader Header) Read(byte[] value)
        {
            if (ChunkHeader.Read(value, out ChunkHeader? header) is { } miss)
                throw new InvalidDataException($"It is no chunk: {miss}.");
            (ChunkPlan plan, header!.Form) = RecipeReading.Read(header.Recipe, header.Layers.Length);
            return ChunkBytes.IsWhole(plan, header, value) ? (plan, header) : throw new InvalidDataException("It is no chunk of what its recipe says.");
        }
    }

    /// <summary>Restores from two values, whatever they are, and does with the cache what can be done.</summary>
    /// <returns>How many tokens came back.</returns>
    public int Use(byte[][] values)
    {
        var store = new MemoryChunkStore(1 << 20);
        store.PutAsync(Keys, [.. values.Select(v => (ReadOnlyMemory<byte>)v)]).Wait();
        using var pool = new PagePool(1 << 20);
        var prefixes = new PrefixStore(store, _options with { Cache = _options.Cache with { Pool = pool } });
        int length;
        using (StoredSequence sequence = prefixes.RestoreAsync(Tokens).GetAwaiter().GetResult())
        {
            KvCache cache = sequence.Cache;
            length = sequence.RestoredTokens;
            Assert.True(length is 0 or 130 or 258 && cache.Length == length);
            using var attention = new CacheAttention(cache.Geometry);
            foreach (int layer in (int[])[0, 1])
            {
                cache.Append(layer, new float[40 * 16], new float[40 * 8]);
                float[] output = new float[8];
                attention.Decode(cache, layer, new float[16], output);
                Assert.True(Array.TrueForAll(output, float.IsFinite));
            }

            cache.Truncate(cache.CanTruncate(Math.Max(0, cache.Length - 50)) ? Math.Max(0, cache.Length - 50) : 0);
        }

        prefixes.DisposeAsync().AsTask().Wait();
        Assert.Equal(0, pool.UsedBytes);
        return length;
    }

    private byte[] State => Values[0][80..96];
}
