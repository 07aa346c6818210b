using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale and shift, 32 codes of 4 bits.</summary>
internal readonly struct Q41Format : IStoredFormat
{
    private const int Bytes = 20;

    public static uint Id => 3;

    public static string Name => "Q4_1";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            Vector256<byte> codes = BlockMath.Nibbles(block[4..]);
            float scale = BlockMath.Half(block);
            sink.Take(codes.AsSByte(), scale, scale, BlockMath.Half(block[2..]));
        }
    }
}
