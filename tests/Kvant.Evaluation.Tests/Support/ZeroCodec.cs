using Kvant.Codecs;

namespace Kvant.Evaluation.Tests.Support;

/// <summary>The broken codec that a measurement must expose: it gives back zeros.</summary>
internal sealed class ZeroCodec(int dimension) : Codec(dimension, 1, 1)
{
    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => block.Clear();

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows) => rows.Clear();
}
