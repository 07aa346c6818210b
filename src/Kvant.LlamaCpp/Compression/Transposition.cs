using System.Runtime.InteropServices;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Turns [number, cell] into [cell, number].</summary>
internal static class Transposition
{
    private const int Side = 32;

    /// <summary>Turns numbers of 2 or 4 bytes.</summary>
    public static void Turn(ReadOnlySpan<byte> source, int rows, int columns, int size, Span<byte> turned)
    {
        if (size == sizeof(ushort))
            Turn(MemoryMarshal.Cast<byte, ushort>(source), rows, columns, MemoryMarshal.Cast<byte, ushort>(turned));
        else
            Turn(MemoryMarshal.Cast<byte, uint>(source), rows, columns, MemoryMarshal.Cast<byte, uint>(turned));
    }

    // In squares, so that both sides stay near.
    private static void Turn<T>(ReadOnlySpan<T> source, int rows, int columns, Span<T> turned)
    {
        for (int top = 0; top < rows; top += Side)
        {
            for (int left = 0; left < columns; left += Side)
            {
                for (int row = top; row < Math.Min(top + Side, rows); row++)
                {
                    ReadOnlySpan<T> line = source.Slice(row * columns, columns);
                    for (int column = left; column < Math.Min(left + Side, columns); column++)
                        turned[(column * rows) + row] = line[column];
                }
            }
        }
    }
}
