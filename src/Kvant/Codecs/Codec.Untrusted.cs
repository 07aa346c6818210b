using System.Buffers;
using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Codecs;

// What is asked of bytes that come from outside.
public abstract partial class Codec
{
    /// <summary>Whether a block begins with its <see cref="ScaleBytesPerBlock"/> bytes of scales, all in fp16, and decodes to finite numbers if they are
    /// finite: codes are bounded, so a scale that is not is all that can go wrong.</summary>
    private protected virtual bool ScalesLead => false;

    /// <summary>Whether blocks decode to finite numbers, as those do that <see cref="Encode(ReadOnlySpan{float}, Span{byte}, int)"/> wrote.</summary>
    /// <param name="blocks">A multiple of <see cref="BytesPerBlock"/> bytes.</param>
    internal bool AreFinite(ReadOnlySpan<byte> blocks)
    {
        for (int at = 0; at < blocks.Length; at += BytesPerBlock)
        {
            if (!IsFinite(blocks.Slice(at, BytesPerBlock)))
                return false;
        }

        return true;
    }

    /// <summary>Whether a block decodes to finite numbers. Rotations keep numbers finite: they keep lengths, and what leaves here is far from overflow.</summary>
    private protected virtual bool IsFinite(ReadOnlySpan<byte> block)
    {
        if (ScalesLead)
            return AreFiniteHalves(block[..ScaleBytesPerBlock]);
        int floats = RowsPerBlock * Dimension;
        float[] rented = ArrayPool<float>.Shared.Rent(floats);
        Span<float> rows = rented.AsSpan(0, floats);
        DecodeInBasis(block, rows);
        bool finite = Finiteness.All(rows);
        ArrayPool<float>.Shared.Return(rented);
        return finite;
    }

    /// <summary>Whether numbers in half precision are finite: the exponent of others is all ones.</summary>
    private protected static bool AreFiniteHalves(ReadOnlySpan<byte> halves)
    {
        ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(halves);
        return !bits.ContainsAnyInRange((ushort)0x7C00, (ushort)0x7FFF) && !bits.ContainsAnyInRange((ushort)0xFC00, (ushort)0xFFFF);
    }
}
