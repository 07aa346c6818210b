using System.Runtime.InteropServices;
using Kvant.Codecs;

namespace Kvant.Evaluation.Tests.Support;

/// <summary>A codec with everything that is out of the ordinary: four rows in a block, six rows to calibrate from, a state.</summary>
internal sealed class GroupCodec(int dimension, byte[]? state = null) : Codec(dimension, 4, 4 * 4 * dimension)
{
    public override int CalibrationRows => 6;

    public override int StateBytes => 3;

    public override ReadOnlySpan<byte> State => state;

    protected override Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context) => new GroupCodec(Dimension, [1, 2, 3]);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => MemoryMarshal.AsBytes(rows).CopyTo(block);

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows) => block.CopyTo(MemoryMarshal.AsBytes(rows));
}
