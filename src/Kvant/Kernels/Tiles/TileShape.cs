using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Kvant.Kernels;

/// <summary>What tiles look like: the fp16 scales of 32 rows per group of coordinates, then the units of codes (<see cref="TileLayout"/>).</summary>
/// <param name="dimension">Numbers in a row, a multiple of 16.</param>
/// <param name="groups">Groups of coordinates that share a scale, each of whole units.</param>
/// <param name="table">What the codes mean.</param>
/// <param name="keys">The order of keys; else of values.</param>
internal sealed class TileShape(int dimension, int groups, TileTable table, bool keys)
{
    // Up to so many queries four of them at a time look scalar codes up as fast as they load what was looked up.
    private const int MostOnTheWay = 16;

    /// <summary>Numbers in a row.</summary>
    public int Dimension => dimension;

    /// <summary>Groups of coordinates that share a scale.</summary>
    public int Groups => groups;

    /// <summary>Numbers in a group.</summary>
    public int GroupLength => dimension / groups;

    /// <summary>Units in a tile.</summary>
    public int Units => dimension / TileLayout.Coordinates;

    /// <summary>What the codes mean.</summary>
    public TileTable Table => table;

    /// <summary>Whether the codes lie in the order of keys.</summary>
    public bool Keys => keys;

    /// <summary>Bytes of the scales of a tile.</summary>
    public int ScaleBytes { get; } = groups * TileLayout.Rows * sizeof(ushort);

    /// <summary>Bytes of a unit of codes.</summary>
    public int UnitBytes { get; } = TileLayout.UnitBytes(table.Bits);

    /// <summary>Bytes of a tile: those of its rows one by one.</summary>
    public int Bytes => ScaleBytes + (Units * UnitBytes);

    /// <summary>How many tiles there are, so many bytes apart.</summary>
    public int Tiles(ReadOnlySpan<byte> blocks, int stride) => (blocks.Length + stride - Bytes) / stride;

    /// <summary>Bytes for the codes before a few tiles and the levels of a few units of each that are looked up ahead.</summary>
    public static int LevelBytes(int tiles, int units) => (tiles * (1 + units) * TileLayout.UnitCodes) + TileLayout.RegisterBytes;

    /// <summary>Whether levels are looked up ahead: what cannot be done on the way, and what so many queries share that it pays.</summary>
    public bool LooksAhead(int queries) => table.IsTrellis || queries > MostOnTheWay;

    /// <summary>The first cache line that begins in a buffer, or nothing.</summary>
    public static unsafe byte* Aligned(Span<byte> buffer)
    {
        byte* first = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(buffer));
        return first + ((TileLayout.RegisterBytes - ((nint)first % TileLayout.RegisterBytes)) % TileLayout.RegisterBytes);
    }

    /// <summary>Puts the codes of a tile, [row, coordinate], into units.</summary>
    public void Pack(ReadOnlySpan<byte> codes, Span<byte> units) => TileLayout.Pack(codes, dimension, table.Bits, keys, units);

    /// <summary>The inverse of <see cref="Pack"/>.</summary>
    public void Unpack(ReadOnlySpan<byte> units, Span<byte> codes) => TileLayout.Unpack(units, dimension, table.Bits, keys, codes);

    /// <summary>The levels of a tile of a run as integers, [row, coordinate].</summary>
    public void UnpackIntegers(ReadOnlySpan<byte> units, int tile, Span<byte> integers)
    {
        Unpack(units, integers);
        for (int i = 0; i < integers.Length; i += GroupLength)
            table.LookUp(integers.Slice(i, GroupLength), tile);
    }
}
