using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale and shift, the fifth bits of 32 codes in one word, then their nibbles.</summary>
internal readonly struct Q51Format : IStoredFormat
{
    private const int Bytes = 24;

    public static uint Id => 7;

    public static string Name => "Q5_1";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            Vector256<byte> codes = BlockMath.Nibbles(block[8..]) | BlockMath.FifthBits(block[4..]);
            float scale = BlockMath.Half(block);
            sink.Take(codes.AsSByte(), scale, scale, BlockMath.Half(block[2..]));
        }
    }
}
