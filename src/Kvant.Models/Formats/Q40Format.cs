using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, 32 codes of 4 bits around 8: low nibbles first, then high ones.</summary>
internal readonly struct Q40Format : IStoredFormat
{
    private const int Bytes = 18;

    public static uint Id => 2;

    public static string Name => "Q4_0";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            Vector256<byte> codes = BlockMath.Nibbles(block[2..]) - Vector256.Create((byte)8);
            float scale = BlockMath.Half(block);
            sink.Take(codes.AsSByte(), scale, scale, 0);
        }
    }
}
