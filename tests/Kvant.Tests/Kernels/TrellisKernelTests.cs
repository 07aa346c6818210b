using System.Runtime.Intrinsics;
using Kvant.Codebooks;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>The parts of the trellis kernels against their definitions; the rest is reached by golden bytes and tiles.</summary>
[Trait(Widths.Trait, "width")]
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
    public unsafe void LanesMoveUpByOneAtEveryWidth()
    {
        byte[] lanes = new byte[128];
        _random.NextBytes(lanes);
        fixed (byte* from = lanes)
        {
            Assert.Equal(lanes[12..28], Bytes<Vector128<byte>, TileSimd128>(TileSimd128.LanesUp(Vector128.Load(from + 16), Vector128.Load(from))));
            if (SimdSupport.Widest >= SimdWidth.Bits256)
                Assert.Equal(lanes[28..60], Bytes<Vector256<byte>, TileSimd256>(TileSimd256.LanesUp(Vector256.Load(from + 32), Vector256.Load(from))));
            if (SimdSupport.Widest >= SimdWidth.Bits512)
                Assert.Equal(lanes[60..124], Bytes<Vector512<byte>, TileSimd512>(TileSimd512.LanesUp(Vector512.Load(from + 64), Vector512.Load(from))));
        }
    }

    /// <summary>Columns shorter than a window and longer ones; a row whose end is its own beginning.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void LevelsOfRowsAreThoseOfTheDefinition(int bits)
    {
        var table = new TrellisTable(TrellisTables.First(bits), TrellisTables.Second(bits), bits, TrellisTables.Step(bits));
        foreach (int dimension in (int[])[16, 32, 48, 80, 128, 208])
        {
            byte[] codes = [.. Enumerable.Range(0, dimension).Select(_ => (byte)_random.Next(1 << bits))];
            int[] path = TrellisPath.Coordinates(dimension);
            float[] expected = new float[dimension], scalar = new float[dimension], wide = new float[dimension];
            for (int step = 0; step < dimension; step++)
            {
                int window = Enumerable.Range(0, 8).Sum(b => Bit(((step + 1) * bits) - 8 + b) << b);
                expected[path[step]] = Level(bits, window) * .37f;
            }

            TrellisLevels.Scalar(table, path, codes, .37f, scalar);
            TrellisLevels.Wide(table, codes, .37f, wide);
            Assert.Equal(expected, scalar);
            Assert.Equal(expected, wide);

            int Bit(int place)
            {
                int at = (place + (dimension * bits)) % (dimension * bits);
                return (codes[path[at / bits]] >> (at % bits)) & 1;
            }
        }
    }

    // From the definition, a window cut out of the row's stream, in every order of codes; columns shorter than a state and longer ones, in parts as sums look them up.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void LevelsOfTilesAreThoseOfTheDefinition(int bits)
    {
        var table = new TileTable(new TrellisTable(TrellisTables.First(bits), TrellisTables.Second(bits), bits, TrellisTables.Step(bits)));
        foreach (int dimension in (int[])[16, 32, 80, 128, 208])
        {
            byte[] codes = [.. Enumerable.Range(0, TileLayout.Rows * dimension).Select(_ => (byte)_random.Next(1 << bits))];
            foreach (bool keys in (bool[])[true, false])
            {
                byte[] units = new byte[dimension / 16 * TileLayout.UnitBytes(bits)];
                TileLayout.Pack(codes, dimension, bits, keys, units);
                byte[] expected = new byte[TileLayout.Rows * dimension];
                for (int row = 0; row < TileLayout.Rows; row++)
                {
                    int[] path = [.. Enumerable.Range(0, dimension).OrderBy(c => c % 16).ThenBy(c => c)];
                    int[] stream = [.. path.SelectMany(c => Enumerable.Range(0, bits).Select(b => (codes[(row * dimension) + c] >> b) & 1))];
                    for (int step = 0; step < dimension; step++)
                    {
                        int window = Enumerable.Range(0, 8).Sum(b => stream[(((step + 1) * bits) - 8 + b + stream.Length) % stream.Length] << b);
                        (int register, int at) = TileLayout.Place(row, path[step] % 16, keys);
                        expected[(path[step] / 16 * TileLayout.UnitCodes) + (register * 64) + at] = (byte)Level(bits, window);
                    }
                }

                foreach (SimdWidth width in (SimdWidth[])[SimdWidth.Bits128, SimdWidth.Bits256, SimdWidth.Bits512])
                {
                    if (width > SimdSupport.Widest)
                        continue;
                    byte[] levels = (keys, width) switch
                    {
                        (true, SimdWidth.Bits128) => Levels<TrellisKeys, Vector128<byte>, TileSimd128>(table, units),
                        (true, SimdWidth.Bits256) => Levels<TrellisKeys, Vector256<byte>, TileSimd256>(table, units),
                        (true, _) => Levels<TrellisKeys, Vector512<byte>, TileSimd512>(table, units),
                        (false, SimdWidth.Bits128) => Levels<TrellisValues, Vector128<byte>, TileSimd128>(table, units),
                        (false, SimdWidth.Bits256) => Levels<TrellisValues, Vector256<byte>, TileSimd256>(table, units),
                        _ => Levels<TrellisValues, Vector512<byte>, TileSimd512>(table, units),
                    };
                    Assert.Equal(expected, levels);
                }
            }
        }
    }

    private static int Level(int bits, int window)
    {
        int newer = window >> 4, older = window & 15, turned = ((newer * 2) % 16) + (newer / 8);
        if (bits == 3)
            return TrellisTables.First(bits)[window / 32] + TrellisTables.Second(bits)[(window / 32 * 2) ^ (window / 4 % 8) ^ (window % 4 * 2)];
        return TrellisTables.First(bits)[newer] + TrellisTables.Second(bits)[bits == 4 ? older : older ^ turned];
    }

    private static byte[] Levels<TOrder, TVector, TSimd>(TileTable table, byte[] units)
        where TOrder : ITrellisOrder
        where TVector : struct
        where TSimd : ITileSimd<TVector> => table.Bits switch
        {
            1 => Levels<One, TOrder, TVector, TSimd>(table, units),
            2 => Levels<Two, TOrder, TVector, TSimd>(table, units),
            3 => Levels<Three, TOrder, TVector, TSimd>(table, units),
            _ => Levels<Four, TOrder, TVector, TSimd>(table, units),
        };

    // Eight units at a time, each register of a unit [unit, register, byte of 64].
    private static unsafe byte[] Levels<TBits, TOrder, TVector, TSimd>(TileTable table, byte[] units)
        where TBits : ICount
        where TOrder : ITrellisOrder
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        const int Some = 8;
        int stride = TileLayout.UnitBytes(TBits.Value), count = units.Length / stride;
        byte[] columns = new byte[TileLayout.UnitCodes], found = new byte[TileLayout.UnitCodes * Some], levels = new byte[count * TileLayout.UnitCodes];
        fixed (byte* first = units, c = columns, to = found, tables = table.Signed)
        {
            TrellisBits<TBits, TOrder>.Begin<TVector, TSimd>(new TileUnits { First = first, Stride = stride, Count = count, Columns = c });
            for (int part = 0; part < 64; part += TSimd.Bytes)
            {
                for (int unit = 0; unit < count; unit += Some)
                {
                    int some = Math.Min(Some, count - unit);
                    TrellisBits<TBits, TOrder>.LookAhead<TVector, TSimd>(
                        new TileUnits { First = first + (unit * stride), Stride = stride, Count = some, Part = part, Begins = unit == 0, Tables = tables, Columns = c, Levels = to });
                    for (int register = 0; register < 8 * some; register++)
                        found.AsSpan(register * TSimd.Bytes, TSimd.Bytes).CopyTo(levels.AsSpan((((unit * 8) + register) * 64) + part));
                }
            }
        }

        return levels;
    }

    private static unsafe byte[] Bytes<TVector, TSimd>(TVector value)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        byte[] bytes = new byte[TSimd.Bytes];
        fixed (byte* to = bytes)
            TSimd.Store(value, to);
        return bytes;
    }
}
