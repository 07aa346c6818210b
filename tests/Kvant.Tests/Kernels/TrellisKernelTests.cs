using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Codebooks;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>The parts of the trellis kernels that some processors lack, against those that they replace; the rest is reached by golden bytes and tiles.</summary>
public sealed class TrellisKernelTests
{
    private readonly Random _random = new(11);

    [Fact]
    public void PortableSquaresAreThoseOfTheDefinition()
    {
        for (int i = 0; i < 10_000; i++)
        {
            int difference = i < 4 ? (i % 2 == 0 ? short.MinValue : short.MaxValue) : _random.Next(short.MinValue, short.MaxValue + 1);
            Vector128<ushort> squares = TrellisSimd128.SquarePortable(Vector128.Create((short)difference));
            Assert.Equal(TrellisSearch.Distance(difference, 0), squares[i % 8]);
            Assert.Equal(squares, TrellisSimd128.AddDistance(Vector128<ushort>.Zero, Vector128.Create((ushort)difference), Vector128<ushort>.Zero));
        }
    }

    [Fact]
    public unsafe void LevelsOfWideRegistersWithoutBytePermutesAreThoseOfTheTable()
    {
        if (SimdSupport.Widest < SimdWidth.Bits512)
            Assert.Skip("This machine has no registers of 512 bits.");
        for (int bits = 1; bits <= 4; bits++)
        {
            var table = new TileTable(new TrellisTable(TrellisTables.Integers(bits), bits, TrellisTables.Step(bits)));
            byte[] lanes = new byte[64];
            _random.NextBytes(lanes);
            fixed (byte* tables = table.Signed)
            {
                for (int offset = 0; offset + (3 * bits) + 8 <= 32; offset++)
                {
                    Vector512<byte> windows = TrellisWindows.ByShifts<Vector512<byte>, TileSimd512>(Vector512.Create(lanes), offset, bits);
                    Vector512<byte> levels = TrellisWindows.ByHalves<Vector512<byte>, TileSimd512>(tables, windows);
                    for (int i = 0; i < 64; i++)
                    {
                        uint lane = MemoryMarshal.Cast<byte, uint>(lanes)[i / 4];
                        Assert.Equal((byte)(lane >> (offset + (i % 4 * bits))), windows[i]);
                        Assert.Equal(table.Signed[windows[i]], levels[i]);
                    }
                }

                byte[] unit = new byte[2 * TileLayout.UnitBytes(bits)];
                _random.NextBytes(unit);
                byte[] expected = new byte[512], actual = new byte[512];
                fixed (byte* u = unit, e = expected, a = actual)
                {
                    switch (bits)
                    {
                        case 1: LookUp<One>(u, tables, e, a); break;
                        case 2: LookUp<Two>(u, tables, e, a); break;
                        case 3: LookUp<Three>(u, tables, e, a); break;
                        default: LookUp<Four>(u, tables, e, a); break;
                    }
                }

                Assert.Equal(expected, actual);
            }
        }
    }

    private static unsafe void LookUp<TBits>(byte* units, byte* tables, byte* expected, byte* actual)
        where TBits : ICount
    {
        TrellisWindows.OneByOne<TBits>(units, units + TileLayout.UnitBytes(TBits.Value), 0, 64, tables, expected);
        TileSimd512.LookUpValues<TBits>(units, units + TileLayout.UnitBytes(TBits.Value), 0, tables, Vector512.Load(tables), Vector512.Load(tables + 64), Vector512.Load(tables + 128), Vector512.Load(tables + 192), actual);
    }
}
