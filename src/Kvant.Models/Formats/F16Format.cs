using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>Half precision.</summary>
internal readonly struct F16Format : IStoredFormat
{
    public static uint Id => 1;

    public static string Name => "F16";

    public static int BlockLength => 1;

    public static int BlockBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        ReadOnlySpan<short> numbers = MemoryMarshal.Cast<byte, short>(blocks);
        int at = 0;
        for (; at + Vector256<short>.Count <= numbers.Length; at += Vector256<short>.Count)
        {
            Vector256<short> halves = Vector256.Create(numbers[at..]);
            // Infinities and NaN, which no sane weight is, take the slow way.
            if (Vector256.EqualsAny(halves & Vector256.Create((short)0x7C00), Vector256.Create((short)0x7C00))) break;
            (Vector256<int> lower, Vector256<int> upper) = Vector256.Widen(halves);
            sink.Take(Single(lower));
            sink.Take(Single(upper));
        }
        for (; at < numbers.Length; at++) sink.Take(BlockMath.Half(blocks[(at * BlockBytes)..]));
    }

    /// <summary>Sign, exponent and fraction move to their places; a multiplication, which is exact, corrects the exponent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Single(Vector256<int> halves) =>
        ((halves << 13) & Vector256.Create(unchecked((int)0x8FFFE000))).AsSingle() * BlockMath.HalfToSingle;
}
