using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Formats;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Floats to the types of a cache and back. What was decoded is finite; rows that were kept as they are may hold anything.</summary>
internal static class RowConversion
{
    /// <summary>Writes floats as another type; what is too large for it becomes the largest that it has, and what is no number stays none.</summary>
    public static void Write(GgmlType type, Span<float> numbers, Span<byte> bytes)
    {
        if (type == GgmlType.F32)
        {
            MemoryMarshal.AsBytes(numbers).CopyTo(bytes);
        }
        else if (type == GgmlType.F16)
        {
            // A decoded number may be a little larger than the one that was stored.
            TensorPrimitives.Clamp<float>(numbers, (float)Half.MinValue, (float)Half.MaxValue, numbers);
            TensorPrimitives.ConvertToHalf(numbers, MemoryMarshal.Cast<byte, Half>(bytes));
        }
        else
        {
            Span<ushort> upper = MemoryMarshal.Cast<byte, ushort>(bytes);
            for (int i = 0; i < numbers.Length; i++)
            {
                uint bits = BitConverter.SingleToUInt32Bits(numbers[i]);
                // To the nearest, and to an even one from the middle.
                upper[i] = (ushort)(float.IsNaN(numbers[i]) ? (bits >> 16) | 0x40 : Math.Min((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, (bits & 0x80000000) == 0 ? 0x7f7fu : 0xff7fu));
            }
        }
    }

    /// <summary>Rows of a state as another type.</summary>
    public static void Convert(GgmlType from, ReadOnlySpan<byte> source, GgmlType to, Span<byte> destination)
    {
        if (from == to)
        {
            source.CopyTo(destination);
            return;
        }

        const int piece = 4096;
        Span<float> numbers = stackalloc float[piece];
        for (int first = 0, count = source.Length / from.BlockBytes; first < count; first += piece)
        {
            Span<float> some = numbers[..Math.Min(piece, count - first)];
            ElementTypes.ToSingles(from.Element, source.Slice(first * from.BlockBytes, some.Length * from.BlockBytes), some);
            Write(to, some, destination.Slice(first * to.BlockBytes, some.Length * to.BlockBytes));
        }
    }
}
