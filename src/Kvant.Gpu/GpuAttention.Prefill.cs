using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Kernels;
using Kvant.Gpu.Memory;
using Kvant.Gpu.Steps;

namespace Kvant.Gpu;

// Many tokens at once: exact among themselves, over what is cached as it decodes.
public sealed partial class GpuAttention
{
    // Tokens whose queries and results are held at once, so that a long prompt needs no memory for all of them.
    private const int TokensPerStep = 256;

    /// <summary>A prompt, or the next part of one: its tokens attend causally to what the layer holds and, exactly as they are given, to each other; then they are appended to the cache.
    /// What <see cref="CacheAttention.Prefill"/> says holds here too.</summary>
    /// <param name="cache">The copy of the cache.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[token, query head, key dimension].</param>
    /// <param name="keys">[token, key-value head, key dimension]. In a layer that shares another's keys, those that were appended to that one.</param>
    /// <param name="values">[token, key-value head, value dimension].</param>
    /// <param name="outputs">Receives [token, query head, value dimension].</param>
    /// <param name="logSumExp">Receives [token, query head]; empty if it is not wanted.</param>
    /// <param name="mask">Which tokens of the part see each other; causal unless said. Trees are refused: <see cref="CacheAttention"/> takes those.</param>
    /// <param name="append">False to leave the cache as it is.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, the cache has another geometry, it refuses a row, or the mask does not fit. Cache and outputs are then unchanged.</exception>
    /// <exception cref="NotSupportedException">The mask is a tree.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress, or this thread reads the cache.</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room. The cache is then unchanged.</exception>
    /// <exception cref="GpuException">The device has no room, or fails. The cache is unchanged; outputs may be anything.</exception>
    public void Prefill(
        GpuKvCache cache,
        int layer,
        TokenRows queries,
        TokenRows keys,
        TokenRows values,
        Span<float> outputs,
        Span<float> logSumExp = default,
        ChunkMask mask = default,
        bool append = true)
    {
        CheckCache(cache);
        LayerGeometry shape = Geometry[layer];
        int tokens = AttentionArguments.RequirePrompt(shape, queries, keys, values, outputs.Length, logSumExp.Length), queryFloats = shape.QueryHeads * shape.KeyDimension;
        mask.Require(tokens);
        if (append && shape.SharedLayer is { } source)
            throw new ArgumentException($"Layer {layer} reads the keys and values of layer {source}: nothing is appended to it.", nameof(append));
        if (mask.IsTree)
            throw new NotSupportedException("Trees of drafts cannot be read on a device; CacheAttention takes them.");
        if (tokens == 0)
            return;
        using Turn.Taken turn = _turn.Take(this);
        for (int first = 0; first < tokens; first += TokensPerStep)
            _ = Keep(queries, first, Math.Min(TokensPerStep, tokens - first), queryFloats, shape.KeyDimension, nameof(queries));
        if (append)
            cache.Cache.RequireAppend(layer, keys, values);
        Codec exactKeys = Exact(shape.KeyDimension), exactValues = Exact(shape.ValueDimension);
        byte[] rows = SideBySide(keys, values, tokens, shape, FrontCopy.ShapeOf(exactKeys, exactValues));
        DeviceRange range = Device.Memory.Take(rows.Length, "The prompt");
        try
        {
            Device.Memory.Write(range, 0, rows);
            using var reading = new Reading([cache]);
            LayerMemory memory = cache.Cache.LayerAt(layer);
            LayerCopy copy = cache.Follow(layer);
            int position = memory.Extent.Length;
            for (int first = 0; first < tokens; first += TokensPerStep)
            {
                int count = Math.Min(TokensPerStep, tokens - first);
                float[] asked = Keep(queries, first, count, queryFloats, shape.KeyDimension, nameof(queries));
                if (append)
                    cache.Cache.Observe(layer, position + first, asked);
                var sights = new Sight[count];
                for (int i = 0; i < count; i++)
                    sights[i] = SightOf(memory, shape, position + first + i, position + (mask.Numbers.IsEmpty ? first + i : mask.Numbers[first + i]));
                var step = new Step(Device, shape, SettingsOf(layer), count, false);
                step.AddCache(0, memory, copy, sights);
                int sinks = Math.Clamp(memory.Layout.Sinks - position, 0, tokens), end = Math.Min(tokens, sights.Max(sight => sight.End) - position);
                Rows part = new() { First = 0, End = Math.Min(sinks, end), Position = position, Ring = tokens, AreSinks = true, Pages = [(range.Slab, range.Offset)] };
                step.AddRows(0, exactKeys, exactValues, sights, part, part with { First = sinks, End = end, AreSinks = false });
                Span<float> logSums = logSumExp.IsEmpty ? [] : logSumExp.Slice(first * shape.QueryHeads, count * shape.QueryHeads);
                step.Run(_basis, _scratch, asked, [], 1, outputs.Slice(first * shape.QueryHeads * shape.ValueDimension, count * shape.QueryHeads * shape.ValueDimension), logSums);
            }
        }
        finally
        {
            Device.Memory.Return(range);
        }

        if (append)
            cache.Append(layer, keys, values);
    }

    private static Codec Exact(int dimension) => CodecSpec.Parse("fp32").CreateCodec(dimension, CodecRole.Rows);

    // [token, head, key and value].
    private static byte[] SideBySide(TokenRows keys, TokenRows values, int tokens, LayerGeometry shape, KernelShape stored)
    {
        float[] rows = new float[tokens * shape.KvHeads * stored.HeadBytes / sizeof(float)];
        float[] key = new float[shape.KvHeads * shape.KeyDimension], value = new float[shape.KvHeads * shape.ValueDimension];
        for (int token = 0, at = 0; token < tokens; token++)
        {
            keys.CopyTo(token, 1, key.Length, key);
            values.CopyTo(token, 1, value.Length, value);
            AttentionArguments.RequireFinite(key, shape.KeyDimension, nameof(keys));
            AttentionArguments.RequireFinite(value, shape.ValueDimension, nameof(values));
            for (int head = 0; head < shape.KvHeads; head++, at += stored.HeadBytes / sizeof(float))
            {
                key.AsSpan(head * shape.KeyDimension, shape.KeyDimension).CopyTo(rows.AsSpan(at));
                value.AsSpan(head * shape.ValueDimension, shape.ValueDimension).CopyTo(rows.AsSpan(at + shape.KeyDimension));
            }
        }

        return MemoryMarshal.AsBytes(rows.AsSpan()).ToArray();
    }
}
