using System.Runtime.CompilerServices;

namespace Kvant.Models.Formats;

/// <summary>The 12 bytes of Q4_K and Q5_K that hold eight scales and eight shifts of 6 bits each.</summary>
/// <remarks>The first four of both are the low bits of bytes 0 to 7; the last four have their low nibbles in bytes 8 to 11 and
/// their upper two bits on top of the first eight bytes.</remarks>
internal static class SixBitScales
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (int Scale, int Shift) Read(ReadOnlySpan<byte> bytes, int index) => index < 4
        ? (bytes[index] & 63, bytes[index + 4] & 63)
        : ((bytes[index + 4] & 15) | (bytes[index - 4] >> 6 << 4), (bytes[index + 4] >> 4) | (bytes[index] >> 6 << 4));
}
