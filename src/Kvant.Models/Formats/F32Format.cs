using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>Single precision.</summary>
internal readonly struct F32Format : IStoredFormat
{
    public static uint Id => 0;

    public static string Name => "F32";

    public static int BlockLength => 1;

    public static int BlockBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        ReadOnlySpan<float> numbers = MemoryMarshal.Cast<byte, float>(blocks);
        int at = 0;
        for (; at + Vector256<float>.Count <= numbers.Length; at += Vector256<float>.Count) sink.Take(Vector256.Create(numbers[at..]));
        for (; at < numbers.Length; at++) sink.Take(numbers[at]);
    }
}
