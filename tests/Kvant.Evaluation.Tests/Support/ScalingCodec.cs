using System.Runtime.InteropServices;
using Kvant.Codecs;

namespace Kvant.Evaluation.Tests.Support;

/// <summary>Gives back every number times a factor, so that each measure of error is known by hand.</summary>
internal sealed class ScalingCodec(int dimension, float factor) : Codec(dimension, 1, 4 * dimension)
{
    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => MemoryMarshal.AsBytes(rows).CopyTo(block);

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        block.CopyTo(MemoryMarshal.AsBytes(rows));
        foreach (ref float x in rows)
            x *= factor;
    }
}
