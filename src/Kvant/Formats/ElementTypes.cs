using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Kvant.Formats;

/// <summary>Sizes, names and bulk conversions of the element types.</summary>
internal static class ElementTypes
{
    internal const string Known = "F32, F16, BF16, U8, I32";

    internal static int Size(this ElementType type) => type switch
    {
        ElementType.F32 or ElementType.I32 => 4,
        ElementType.F16 or ElementType.BF16 => 2,
        ElementType.U8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, $"known element types: {Known}"),
    };

    internal static string Name(this ElementType type) => type switch
    {
        ElementType.F32 => "F32",
        ElementType.F16 => "F16",
        ElementType.BF16 => "BF16",
        ElementType.U8 => "U8",
        ElementType.I32 => "I32",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, $"known element types: {Known}"),
    };

    internal static bool TryParse(string name, out ElementType type)
    {
        foreach (ElementType candidate in (ReadOnlySpan<ElementType>)[ElementType.F32, ElementType.F16, ElementType.BF16, ElementType.U8, ElementType.I32])
        {
            if (candidate.Name() != name) continue;
            type = candidate;
            return true;
        }
        type = default;
        return false;
    }

    internal static bool IsFloat(this ElementType type) => type is ElementType.F32 or ElementType.F16 or ElementType.BF16;

    /// <summary>Bulk conversion of stored little-endian numbers; <paramref name="bytes"/> holds exactly as many as the destination.</summary>
    internal static void ToSingles(ElementType type, ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        switch (type)
        {
            case ElementType.F32:
                bytes.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case ElementType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), destination);
                break;
            case ElementType.BF16:
                Span<uint> words = MemoryMarshal.Cast<float, uint>(destination);
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, ushort>(bytes), words);
                TensorPrimitives.ShiftLeft<uint>(words, 16, words);
                break;
            case ElementType.U8:
                TensorPrimitives.ConvertTruncating(bytes, destination);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "only F32, F16, BF16 and U8 convert to single precision");
        }
    }

    /// <summary>The index of the first number that the type cannot hold (not finite, or too large for F16), or -1.</summary>
    internal static int FirstRefused(ElementType type, ReadOnlySpan<float> numbers)
    {
        float largest = type == ElementType.F16 ? (float)Half.MaxValue : float.MaxValue;
        // One vectorized pass in the good case; NaN propagates through the maximum.
        if (numbers.IsEmpty || Fits(TensorPrimitives.MaxMagnitude(numbers))) return -1;
        int index = 0;
        while (Fits(numbers[index])) index++;
        return index;

        bool Fits(float number) => float.Abs(number) <= largest;
    }

    /// <summary>Bulk conversion for writing F32 or F16 numbers that <see cref="FirstRefused"/> let pass.</summary>
    internal static void FromSingles(ElementType type, ReadOnlySpan<float> source, Span<byte> bytes)
    {
        if (type == ElementType.F16) TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(bytes));
        else MemoryMarshal.AsBytes(source).CopyTo(bytes);
    }
}
