using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>256 codes of 6 bits around 32: 128 bytes of nibbles, 64 bytes of upper two bits, a signed byte of scale per 16 numbers
/// and a half-precision factor of the scales.</summary>
/// <remarks>Each half of the block holds four runs of 32: low nibbles of two times 32 bytes, then their high nibbles; 32 bytes hold the
/// upper bits of the four runs, two bits each.</remarks>
internal readonly struct Q6KFormat : IStoredFormat
{
    private const int Bytes = 210;

    public static uint Id => 14;

    public static string Name => "Q6_K";

    public static int BlockLength => 256;

    public static int BlockBytes => Bytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        for (int at = 0; at < blocks.Length; at += Bytes)
        {
            ReadOnlySpan<byte> block = blocks.Slice(at, Bytes);
            float unit = BlockMath.Half(block[208..]);
            for (int run = 0; run < 8; run++)
            {
                int half = run / 4, place = run % 4;
                Vector256<byte> packed = Vector256.Create(block[((64 * half) + (32 * (place % 2)))..]);
                Vector256<byte> upper = (Vector256.Create(block[(128 + (32 * half))..]) >>> (2 * place)) & Vector256.Create((byte)3);
                Vector256<byte> codes = (place < 2 ? packed & Vector256.Create((byte)15) : packed >>> 4) | (upper << 4);
                ReadOnlySpan<byte> scales = block[(192 + (2 * run))..];
                sink.Take((codes - Vector256.Create((byte)32)).AsSByte(), unit * (sbyte)scales[0], unit * (sbyte)scales[1], 0);
            }
        }
    }
}
