using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Codes of a path to their levels times a scale.</summary>
/// <remarks>
/// <para>The scalar loop is the definition: a window of eight bits moves along the path (<see cref="TrellisPath"/>). In rows of whole units of 16 a register holds the codes of a unit, and
/// the codes before them on the path are those of the unit before; before the first unit comes the last one, a column earlier. So all windows of a unit are put together at once,
/// and looked up as two summands of 16 numbers each.</para>
/// <para>Each number is one product, so both give the same bits.</para>
/// </remarks>
internal static unsafe class TrellisLevels
{
    private const int Lanes = TileLayout.Coordinates;

    /// <summary>numbers[i] = the level of i's window * step.</summary>
    /// <param name="table">The code.</param>
    /// <param name="path">The order of its path.</param>
    /// <param name="codes">Codes of a row (or group).</param>
    /// <param name="step">What a step of <see cref="TrellisTable.Integers"/> is worth.</param>
    /// <param name="numbers">Receives as many numbers as there are codes.</param>
    public static void Run(TrellisTable table, ReadOnlySpan<int> path, ReadOnlySpan<byte> codes, float step, Span<float> numbers)
    {
        Debug.Assert(codes.Length == numbers.Length && codes.Length == path.Length, "One number per code.");
        if (Vector128.IsHardwareAccelerated && codes.Length % Lanes == 0)
            Wide(table, codes, step, numbers);
        else
            Scalar(table, path, codes, step, numbers);
    }

    /// <summary>The definition.</summary>
    public static void Scalar(TrellisTable table, ReadOnlySpan<int> path, ReadOnlySpan<byte> codes, float step, Span<float> numbers)
    {
        int state = 0;
        foreach (int coordinate in path[^Windows(table.Bits)..])
            state = table.Next(state, codes[coordinate]);
        foreach (int coordinate in path)
        {
            state = table.Next(state, codes[coordinate]);
            numbers[coordinate] = table.Integers[state] * step;
        }
    }

    /// <summary>Whole units at once.</summary>
    public static void Wide(TrellisTable table, ReadOnlySpan<byte> codes, float step, Span<float> numbers)
    {
        switch (table.Bits)
        {
            case 1:
                Wide<One>(table, codes, step, numbers);
                break;
            case 2:
                Wide<Two>(table, codes, step, numbers);
                break;
            case 3:
                Wide<Three>(table, codes, step, numbers);
                break;
            default:
                Wide<Four>(table, codes, step, numbers);
                break;
        }
    }

    // Codes that a window has a part of.
    private static int Windows(int bits) => (8 + bits - 1) / bits;

    private static void Wide<TBits>(TrellisTable table, ReadOnlySpan<byte> codes, float step, Span<float> numbers)
        where TBits : ICount
    {
        int units = codes.Length / Lanes, before = Windows(TBits.Value) - 1;
        Vector128<byte>* all = stackalloc Vector128<byte>[before + units];
        MemoryMarshal.Cast<byte, Vector128<byte>>(codes).CopyTo(new(all + before, units));
        // What comes before the first unit.
        Vector128<byte> left = (Vector128<byte>.Indices - Vector128<byte>.One) & Vector128.Create((byte)(Lanes - 1));
        for (int i = before - 1; i >= 0; i--)
            all[i] = Vector128.ShuffleNative(all[i + units], left);
        Vector128<byte> first = Table(table.First), second = Table(table.Second);
        Vector128<float> factor = Vector128.Create(step);
        fixed (float* destination = numbers)
        {
            float* to = destination;
            for (Vector128<byte>* unit = all + before; unit < all + before + units; unit++, to += Lanes)
            {
                Vector128<byte> window = Window<TBits>(unit);
                Vector128<byte> sum = Vector128.ShuffleNative(first, Right(window, TBits.Value == 3 ? 5 : 4)) + Vector128.ShuffleNative(second, SecondIndex<TBits>(window));
                (Vector128<short> low, Vector128<short> high) = Vector128.Widen(sum.AsSByte());
                (Vector128.ConvertToSingle(Vector128.WidenLower(low)) * factor).Store(to);
                (Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * factor).Store(to + 4);
                (Vector128.ConvertToSingle(Vector128.WidenLower(high)) * factor).Store(to + 8);
                (Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * factor).Store(to + 12);
            }
        }
    }

    // Eight numbers stand twice.
    private static Vector128<byte> Table(ReadOnlySpan<sbyte> numbers)
    {
        if (numbers.Length == Lanes)
            return Vector128.Create(numbers).AsByte();
        Vector64<sbyte> half = Vector64.Create(numbers);
        return Vector128.Create(half, half).AsByte();
    }

    // The newest code on top. Codes are small: what moves up carries nothing into the next byte.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Window<TBits>(Vector128<byte>* unit)
        where TBits : ICount
    {
        if (TBits.Value == 4)
            return Left(unit[0], 4) | unit[-1];
        if (TBits.Value == 3)
            return Left(unit[0], 5) | Left(unit[-1], 2) | Right(unit[-2], 1);
        if (TBits.Value == 2)
            return Left(unit[0], 6) | Left(unit[-1], 4) | Left(unit[-2], 2) | unit[-3];
        return Left(unit[0], 7) | Left(unit[-1], 6) | Left(unit[-2], 5) | Left(unit[-3], 4) | Left(unit[-4], 3) | Left(unit[-5], 2) | Left(unit[-6], 1) | unit[-7];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Left(Vector128<byte> codes, int by) => (codes.AsUInt32() << by).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Right(Vector128<byte> numbers, int by) => (numbers.AsUInt32() >>> by).AsByte() & Vector128.Create((byte)(255 >> by));

    // As TrellisTable.SecondIndex.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> SecondIndex<TBits>(Vector128<byte> window)
        where TBits : ICount
    {
        Vector128<byte> low = window & Vector128.Create((byte)15);
        if (TBits.Value == 4)
            return low;
        if (TBits.Value == 3)
            return Left(Right(window, 5), 1) ^ (Right(window, 2) & Vector128.Create((byte)7)) ^ Left(window & Vector128.Create((byte)3), 1);
        return (Left(Right(window, 4), 1) & Vector128.Create((byte)15)) ^ Right(window, 7) ^ low;
    }
}
