using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, 32 signed bytes.</summary>
internal readonly struct Q80Format : IStoredFormat
{
    private const int Bytes = 34;

    public static uint Id => 8;

    public static string Name => "Q8_0";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            float scale = BlockMath.Half(block);
            sink.Take(Vector256.Create(block[2..]).AsSByte(), scale, scale, 0);
        }
    }
}
