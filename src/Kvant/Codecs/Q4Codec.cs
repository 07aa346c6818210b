using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Packing;

namespace Kvant.Codecs;

/// <summary>
/// 4-bit integers with one fp16 scale per row: x is stored as round(x / s) + 8, s = max|x| / 7.5, so that all sixteen levels are used and no number
/// is further than s / 2 from its own. It stores means (<see cref="CenteredCodec"/>), in a basis where no number is much larger than the others.
/// </summary>
internal sealed class Q4Codec(int dimension) : Codec(dimension, 1, Fp16.Bytes + BitPacking.ByteCount(dimension, Bits))
{
    private const int Bits = 4, Zero = 8;

    public override int ScaleBytesPerBlock => Fp16.Bytes;

    private protected override bool ScalesLead => true;

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        float scale = Fp16.Write(block, MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / 7.5f);
        Span<byte> codes = stackalloc byte[rows.Length];
        if (scale == 0)
            codes.Fill(Zero);
        else
            RoundedCodes.Find<Roundings.Quotient>(rows, -Zero * scale, scale, 0, 15, codes);
        BitPacking.Pack(codes, Bits, block[Fp16.Bytes..]);
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        rows.Clear();
        RowSums.Add<SignedField4Rows>(new RowRun(block[Fp16.Bytes..], BytesPerBlock, 1), 0, Dimension, [Fp16.Read(block)], 1, 1, rows, Dimension);
    }
}
