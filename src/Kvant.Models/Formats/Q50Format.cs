using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, the fifth bits of 32 codes around 16 in one word, then their nibbles.</summary>
internal readonly struct Q50Format : IStoredFormat
{
    private const int Bytes = 22;

    public static uint Id => 6;

    public static string Name => "Q5_0";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            Vector256<byte> codes = (BlockMath.Nibbles(block[6..]) | BlockMath.FifthBits(block[2..])) - Vector256.Create((byte)16);
            float scale = BlockMath.Half(block);
            sink.Take(codes.AsSByte(), scale, scale, 0);
        }
    }
}
