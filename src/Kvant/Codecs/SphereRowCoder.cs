using Kvant.Packing;

namespace Kvant.Codecs;

/// <summary>The bytes of a rotated row: the fp16 scale of each group, then the codes of the whole row without gaps.</summary>
internal sealed class SphereRowCoder(int dimension, int bits, SphereQuantizer quantizer)
{
    private readonly int _groups = dimension / quantizer.Dimension;

    /// <summary>Bytes of a row.</summary>
    public int Bytes => (_groups * Fp16.Bytes) + BitPacking.ByteCount(dimension, bits);

    /// <summary>Codes a row.</summary>
    /// <exception cref="ArgumentException">A scale does not fit fp16.</exception>
    public void Encode(ReadOnlySpan<float> row, Span<byte> bytes)
    {
        int length = quantizer.Dimension;
        Span<byte> codes = stackalloc byte[dimension];
        Span<float> levels = stackalloc float[length];
        for (int g = 0; g < _groups; g++)
            Fp16.Write(bytes[(g * Fp16.Bytes)..], quantizer.Encode(row.Slice(g * length, length), codes.Slice(g * length, length), levels));
        BitPacking.Pack(codes, bits, bytes[(_groups * Fp16.Bytes)..]);
    }

    /// <summary>Turns the bytes back into numbers.</summary>
    public void Decode(ReadOnlySpan<byte> bytes, Span<float> row)
    {
        int length = quantizer.Dimension;
        Span<byte> codes = stackalloc byte[dimension];
        BitPacking.Unpack(bytes[(_groups * Fp16.Bytes)..], bits, codes);
        for (int g = 0; g < _groups; g++)
            quantizer.Decode(codes.Slice(g * length, length), Fp16.Read(bytes[(g * Fp16.Bytes)..]), row.Slice(g * length, length));
    }
}
