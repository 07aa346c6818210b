using System.Buffers.Binary;
using System.Numerics.Tensors;

namespace Kvant.Codecs;

/// <summary>
/// 8-bit integers with one scale per row: x is stored as round(x / s), s = max|x| / 127. No rotation: a row with one huge number loses
/// the others. The scale is an fp32, so any finite row fits; a row of zeros decodes to zeros.
/// </summary>
internal sealed class Q8Codec(int dimension) : Codec(dimension, 1, sizeof(float) + dimension)
{
    public static CodecMethod Method { get; } = new("q8", "8-bit integers, one fp32 scale per row", [], (_, d, _) => new Q8Codec(d));

    public override int ScaleBytesPerBlock => sizeof(float);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / 127;
        // For the very largest numbers the quotient rounds up and 127 times it would be infinite.
        if (!float.IsFinite(127 * scale))
            scale = MathF.BitDecrement(scale);
        BinaryPrimitives.WriteSingleLittleEndian(block, scale);
        Span<byte> codes = block[sizeof(float)..];
        for (int i = 0; i < codes.Length; i++)
            codes[i] = scale == 0 ? (byte)0 : (byte)(sbyte)Math.Clamp(MathF.Round(rows[i] / scale), -127, 127);
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        float scale = BinaryPrimitives.ReadSingleLittleEndian(block);
        for (int i = 0; i < rows.Length; i++)
            rows[i] = (sbyte)block[sizeof(float) + i] * scale;
    }
}
