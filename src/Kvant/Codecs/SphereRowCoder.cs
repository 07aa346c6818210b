using System.Runtime.InteropServices;
using Kvant.Packing;

namespace Kvant.Codecs;

/// <summary>The bytes of rotated rows: the fp16 scale of each group, then the codes of the whole row without gaps.</summary>
internal sealed class SphereRowCoder(int dimension, IRowQuantizer quantizer)
{
    private readonly int _groups = dimension / quantizer.Dimension;

    /// <summary>Bytes of a row.</summary>
    public int Bytes => ScaleBytes + BitPacking.ByteCount(dimension, quantizer.Bits);

    /// <summary>Of those the bytes of scales.</summary>
    public int ScaleBytes => _groups * Fp16.Bytes;

    /// <summary>Codes rows.</summary>
    /// <param name="rows">Rotated rows one after the other, at most a few thousand floats.</param>
    /// <param name="bytes">Receives <see cref="Bytes"/> bytes per row.</param>
    /// <exception cref="ArgumentException">A scale does not fit fp16.</exception>
    public void Encode(ReadOnlySpan<float> rows, Span<byte> bytes)
    {
        Span<byte> codes = stackalloc byte[rows.Length];
        Span<float> scales = stackalloc float[rows.Length / quantizer.Dimension];
        Span<Half> halves = stackalloc Half[scales.Length];
        quantizer.Encode(rows, codes, scales);
        Fp16.Round(scales, halves);
        int size = Bytes, scaleBytes = _groups * Fp16.Bytes;
        ReadOnlySpan<byte> stored = MemoryMarshal.AsBytes(halves);
        for (int r = 0; r < rows.Length / dimension; r++)
        {
            Span<byte> row = bytes.Slice(r * size, size);
            stored.Slice(r * scaleBytes, scaleBytes).CopyTo(row);
            BitPacking.Pack(codes.Slice(r * dimension, dimension), quantizer.Bits, row[scaleBytes..]);
        }
    }

    /// <summary>Turns the bytes back into numbers.</summary>
    public void Decode(ReadOnlySpan<byte> bytes, Span<float> row)
    {
        int length = quantizer.Dimension;
        Span<byte> codes = stackalloc byte[dimension];
        BitPacking.Unpack(bytes[(_groups * Fp16.Bytes)..], quantizer.Bits, codes);
        for (int g = 0; g < _groups; g++)
            quantizer.Decode(codes.Slice(g * length, length), Fp16.Read(bytes[(g * Fp16.Bytes)..]), row.Slice(g * length, length));
    }
}
