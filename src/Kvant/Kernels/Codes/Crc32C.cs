using System.Buffers.Binary;
using System.Numerics;

namespace Kvant.Kernels;

/// <summary>
/// The checksum CRC-32C (Castagnoli polynomial, reflected, initial and final value all ones) that the file formats use:
/// it finds every error burst of up to 32 bits.
/// </summary>
internal static class Crc32C
{
    /// <summary>The checksum of some bytes; 0xE3069283 for the ASCII text "123456789".</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The checksum of everything before followed by <paramref name="bytes"/>.</summary>
    /// <param name="checksum">The checksum of what came before; 0 for nothing.</param>
    /// <param name="bytes">What follows.</param>
    public static uint Append(uint checksum, ReadOnlySpan<byte> bytes)
    {
        uint state = ~checksum;
        while (bytes.Length >= sizeof(ulong))
        {
            state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }
        foreach (byte value in bytes) state = BitOperations.Crc32C(state, value);
        return ~state;
    }
}
