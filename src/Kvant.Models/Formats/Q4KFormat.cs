using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>256 codes of 4 bits: half-precision factors of the scales and of the shifts, 6 bits of each per 32 numbers, then the
/// nibbles; 32 bytes hold two runs of 32 numbers, low nibbles and high ones.</summary>
internal readonly struct Q4KFormat : IStoredFormat
{
    private const int Bytes = 144;

    public static uint Id => 12;

    public static string Name => "Q4_K";

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
            for (int run = 0; run < 8; run += 2)
            {
                Vector256<byte> packed = Vector256.Create(block[(16 + (16 * run))..]);
                (int scale, int shift) = SixBitScales.Read(block[4..], run);
                sink.Take((packed & Vector256.Create((byte)15)).AsSByte(), scaleUnit * scale, scaleUnit * scale, -(shiftUnit * shift));
                (scale, shift) = SixBitScales.Read(block[4..], run + 1);
                sink.Take((packed >>> 4).AsSByte(), scaleUnit * scale, scaleUnit * scale, -(shiftUnit * shift));
            }
        }
    }
}
