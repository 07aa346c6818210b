using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>bfloat16: the upper half of a single-precision number.</summary>
internal readonly struct BF16Format : IStoredFormat
{
    public static uint Id => 30;

    public static string Name => "BF16";

    public static int BlockLength => 1;

    public static int BlockBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        ReadOnlySpan<ushort> numbers = MemoryMarshal.Cast<byte, ushort>(blocks);
        int at = 0;
        for (; at + Vector256<ushort>.Count <= numbers.Length; at += Vector256<ushort>.Count)
        {
            (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(Vector256.Create(numbers[at..]));
            sink.Take((lower << 16).AsSingle());
            sink.Take((upper << 16).AsSingle());
        }
        for (; at < numbers.Length; at++) sink.Take(BitConverter.UInt32BitsToSingle((uint)numbers[at] << 16));
    }
}
