using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>As Q4_K with a fifth bit: byte i of 32 holds it for number i of each of the eight runs, bit by bit.</summary>
internal readonly struct Q5KFormat : IStoredFormat
{
    private const int Bytes = 176;

    public static uint Id => 13;

    public static string Name => "Q5_K";

    public static int BlockLength => 256;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            float scaleUnit = BlockMath.Half(block), shiftUnit = BlockMath.Half(block[2..]);
            Vector256<byte> fifths = Vector256.Create(block[16..]);
            for (int run = 0; run < 8; run++)
            {
                Vector256<byte> packed = Vector256.Create(block[(48 + (run / 2 * 32))..]);
                Vector256<byte> codes = (run % 2 == 0 ? packed & Vector256.Create((byte)15) : packed >>> 4)
                    | (((fifths >>> run) & Vector256.Create((byte)1)) << 4);
                (int scale, int shift) = SixBitScales.Read(block[4..], run);
                sink.Take(codes.AsSByte(), scaleUnit * scale, scaleUnit * scale, -(shiftUnit * shift));
            }
        }
    }
}
