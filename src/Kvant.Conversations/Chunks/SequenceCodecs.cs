using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Conversations.Chunks;

/// <summary>The codecs of the heads of a stored sequence: those that choose from data, with what the first chunk says they chose.</summary>
/// <param name="plan">The sequence.</param>
/// <param name="header">The header of its first chunk, which was checked; null where no codec chooses.</param>
/// <param name="value">The bytes of its first chunk.</param>
internal sealed class SequenceCodecs(ChunkPlan plan, ChunkHeader? header, byte[] value)
{
    /// <summary>The beginning of the hash of all that was chosen.</summary>
    public byte[] State => header?.State ?? new byte[ChunkHeader.StateBytes];

    /// <summary>A codec of the blocks of a head.</summary>
    /// <param name="codec">The codec of its layer.</param>
    /// <param name="layer">One with rows of its own.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="head">Key-value head.</param>
    /// <exception cref="ArgumentException">What was stored is no choice of such a codec.</exception>
    public Codec Of(Codec codec, int layer, int side, int head)
    {
        if (codec.StateBytes == 0)
            return codec;
        int own = Array.IndexOf(plan.OwnLayers, layer), end = header!.Bytes + header.Layers[..(own + 1)].Sum(entry => entry.Bytes);
        LayerLayout layout = plan.Layouts[layer];
        // States stand before the blocks, keys before values, head by head.
        int at = end - (int)header.Form!.BlockBytes(plan, layer, plan.Rows - header.Layers[own].FirstRow) - layout.Sides[side..].Sum(s => layout.Heads * s.Codec.StateBytes);
        ReadOnlySpan<byte> state = value.AsSpan(at + (head * codec.StateBytes), codec.StateBytes);
        return codec.IsStateFor(state, side == 0 ? new() { Rotary = layout.Shape.Rotary } : CalibrationContext.Unknown) ? codec.WithState(state)
            : throw new ArgumentException($"The state of head {head} of layer {layer} is turned otherwise than the recipe says.", nameof(codec));
    }
}
