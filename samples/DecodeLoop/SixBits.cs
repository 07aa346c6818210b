using System.Numerics.Tensors;
using Kvant.Codecs;

/// <summary>A method of one's own: integers of 6 bits without gaps, behind one scale per row. Two methods make a codec; what attention needs follows from them.</summary>
internal sealed class SixBits(int dimension) : Codec(dimension, rowsPerBlock: 1, bytesPerBlock: sizeof(float) + (((Bits * dimension) + 7) / 8))
{
    private const int Bits = 6, Most = 31; // integers from -31 to 31, stored as 1 to 63

    public static CodecMethod Method { get; } = new("sixbits", "integers from -31 to 31, one scale per row", [], (_, dimension, _) => new SixBits(dimension));

    public override int ScaleBytesPerBlock => sizeof(float);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / Most;
        BitConverter.TryWriteBytes(block, scale);
        Span<byte> codes = block[sizeof(float)..];
        codes.Clear();
        for (int i = 0; i < rows.Length; i++)
        {
            float steps = scale == 0 ? 0 : Math.Clamp(MathF.Round(rows[i] / scale), -Most, Most);
            (int at, int shift) = Math.DivRem(Bits * i, 8);
            int code = ((int)steps + Most + 1) << shift;
            codes[at] |= (byte)code;
            if (shift + Bits > 8)
                codes[at + 1] |= (byte)(code >> 8);
        }
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        float scale = BitConverter.ToSingle(block);
        ReadOnlySpan<byte> codes = block[sizeof(float)..];
        for (int i = 0; i < rows.Length; i++)
        {
            (int at, int shift) = Math.DivRem(Bits * i, 8);
            int code = (shift + Bits > 8 ? codes[at] | (codes[at + 1] << 8) : codes[at]) >> shift;
            rows[i] = scale * ((code & 63) - Most - 1);
        }
    }
}
