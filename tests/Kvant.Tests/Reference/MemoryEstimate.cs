using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Tests.Reference;

/// <summary>The bytes that a number of tokens takes under a policy, everything counted: codes, scales, per-head state, and
/// the rows that do not fill a block and stay in 16-bit floats.</summary>
internal sealed record MemoryEstimate
{
    /// <summary>Bytes of key blocks.</summary>
    public required long KeyBytes { get; init; }

    /// <summary>Bytes of value blocks.</summary>
    public required long ValueBytes { get; init; }

    /// <summary>Bytes of rows that do not fill a block, in 16-bit floats.</summary>
    public required long TailBytes { get; init; }

    /// <summary>Bytes of what codecs chose from data, once per head.</summary>
    public required long StateBytes { get; init; }

    /// <summary>Bytes of the same tokens in 16-bit floats.</summary>
    public required long Fp16Bytes { get; init; }

    /// <summary>Everything that is stored.</summary>
    public long TotalBytes => KeyBytes + ValueBytes + TailBytes + StateBytes;

    /// <summary>How many times smaller than 16-bit floats.</summary>
    public double CompressionRatio => (double)Fp16Bytes / TotalBytes;

    /// <summary>Stored bits per number.</summary>
    public double BitsPerValue => 16.0 * TotalBytes / Fp16Bytes;

    /// <summary>Counts the bytes of a cache.</summary>
    /// <param name="geometry">The shape of the cache.</param>
    /// <param name="policy">Which codecs each layer uses; as many layers as the geometry.</param>
    /// <param name="tokens">Cached tokens, at least 1.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers, or a codec does not take the dimension.</exception>
    public static MemoryEstimate For(CacheGeometry geometry, LayerPolicy policy, int tokens)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        if (policy.Count != geometry.Layers)
            throw new ArgumentException($"The policy has {policy.Count} layers; the geometry has {geometry.Layers}.", nameof(policy));
        long keys = 0, values = 0, tail = 0, state = 0;
        foreach (IGrouping<CodecSpec, LayerSpecs> layers in policy.GroupBy(l => l.Keys))
            keys += Add(layers.Key.CreateCodec(geometry.KeyDimension, CodecRole.Keys), layers.Count());
        foreach (IGrouping<CodecSpec, LayerSpecs> layers in policy.GroupBy(l => l.Values))
            values += Add(layers.Key.CreateCodec(geometry.ValueDimension, CodecRole.Values), layers.Count());

        return new MemoryEstimate
        {
            KeyBytes = keys,
            ValueBytes = values,
            TailBytes = tail,
            StateBytes = state,
            Fp16Bytes = geometry.Fp16BytesPerToken * tokens,
        };

        long Add(Codec codec, int layers)
        {
            int body = codec.RowsInBlocks(tokens);
            long heads = (long)layers * geometry.KvHeads;
            tail += 2L * (tokens - body) * codec.Dimension * heads;
            state += body > 0 ? codec.StateBytes * heads : 0;
            return (long)(body / codec.RowsPerBlock) * codec.BytesPerBlock * heads;
        }
    }
}
