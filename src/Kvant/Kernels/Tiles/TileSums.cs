using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Weighted sums over tiles of values, in integers: weights times the rows' scales in 7 bits, the levels of the codes in 8-bit integers.</summary>
/// <remarks>
/// <para>Lanes are coordinates and the bytes of a lane are four rows (<see cref="TileLayout"/>), so that the weights of four rows are one word for
/// all lanes. Weights are integers in steps of their own for every tile (<see cref="TileWeights"/>), whose sums return to floats at its end. Levels of a run of tiles
/// are looked up once for as many queries as have their weights in the first-level cache beside them.</para>
/// <para>All arithmetic between those ends is exact, so that every width gives the same sums, those of the scalar loop.</para>
/// </remarks>
internal static unsafe class TileSums
{
    /// <summary>Tiles that are weighed together, and whose sums stay in registers.</summary>
    public const int TilesPerRun = 4;

    public const int RowsPerRun = TilesPerRun * TileLayout.Rows;
    public const int QueriesAtOnce = 4;

    // Units whose levels are looked up together: with those of four tiles they stay in the first-level cache.
    private const int UnitsAtOnce = 8;
    private const int LevelsPerTile = UnitsAtOnce * TileLayout.UnitCodes;

    // Bytes of the weights of queries that go over a run together.
    private const int MostWeights = 8192;

    /// <summary>Adds weighted tiles to accumulators.</summary>
    /// <param name="shape">What the tiles look like.</param>
    /// <param name="blocks">Begins at the first tile.</param>
    /// <param name="blockStride">Bytes from one tile to the next: those of a tile, or more where something lies between them.</param>
    /// <param name="weights">[query, row], none negative.</param>
    /// <param name="accumulators">[query, dimension]; added to.</param>
    /// <param name="upcoming">The tiles that come next, or empty.</param>
    public static void Run(TileShape shape, ReadOnlySpan<byte> blocks, int blockStride, ReadOnlySpan<float> weights, Span<float> accumulators, ReadOnlySpan<byte> upcoming)
    {
        fixed (byte* b = blocks, next = upcoming)
        {
            fixed (float* w = weights, a = accumulators)
            {
                int tiles = shape.Tiles(blocks, blockStride);
                Run(new TileSumWork
                {
                    Shape = shape,
                    Blocks = b,
                    BlockStride = blockStride,
                    Tiles = tiles,
                    Weights = w,
                    Stride = tiles * TileLayout.Rows,
                    Queries = accumulators.Length / shape.Dimension,
                    Accumulators = a,
                    Ahead = next == null ? 0 : (nint)(next - b),
                });
            }
        }
    }

    private static void Run(in TileSumWork work)
    {
        int groups = work.Shape.Groups, most = Math.Max(QueriesAtOnce, MostWeights / (groups * RowsPerRun) / QueriesAtOnce * QueriesAtOnce), room = Math.Min(most, Rounded(work.Queries));
        bool looksAhead = work.Shape.LooksAhead(Math.Min(most, work.Queries));
        byte* weights = stackalloc byte[room * groups * RowsPerRun];
        float* factors = stackalloc float[room * groups * TilesPerRun];
        int* starts = stackalloc int[room * groups * TilesPerRun];
        byte* levels = TileShape.Aligned(stackalloc byte[looksAhead ? TileShape.LevelBytes(TilesPerRun, UnitsAtOnce) : 0]);
        for (int tile = 0; tile < work.Tiles; tile += TilesPerRun)
        {
            int tiles = Math.Min(TilesPerRun, work.Tiles - tile);
            for (int done = 0; done < work.Queries; done += most)
            {
                var run = new TileSumRun
                {
                    Blocks = work.Blocks + ((nint)tile * work.BlockStride),
                    BlockStride = work.BlockStride,
                    Tiles = tiles,
                    Queries = Math.Min(most, work.Queries - done),
                    Weights = weights,
                    Factors = factors,
                    Starts = starts,
                    Levels = levels,
                    LooksAhead = looksAhead,
                    Accumulators = work.Accumulators + ((nint)done * work.Shape.Dimension),
                    Ahead = done == 0 ? work.Ahead : 0,
                };
                Weigh(work, run, tile, done);
                switch (run.Queries)
                {
                    case 1: Some<One>(work, run); break;
                    case 2: Some<Two>(work, run); break;
                    case 4: Some<Four>(work, run); break;
                    default: Some<Many>(work, run); break;
                }
            }
        }

        static int Rounded(int queries) => (queries + QueriesAtOnce - 1) / QueriesAtOnce * QueriesAtOnce;
    }

    private static void Weigh(in TileSumWork work, in TileSumRun run, int tile, int firstQuery)
    {
        for (int done = 0, count; done < run.Queries; done += count)
        {
            int left = run.Queries - done;
            count = left >= 4 ? 4 : left >= 2 ? 2 : 1;
            byte* weights = run.WeightsOf(work.Shape, done);
            float* factors = run.FactorsOf(work.Shape, done);
            int most = TileWeights.Run(work, tile, run.Tiles, firstQuery + done, count, weights, factors);
            if (most != 0 && work.Shape.Table.Stride != 0)
                AddApart(work, tile, firstQuery + done, most, weights, factors);
        }
    }

    // A tile whose rows together weigh less, where the largest row so far weighs 1, is no large part of the whole.
    private const float Little = 0.5f;

    // Levels of a tile become integers in one way, whose errors the other tiles of a run make good. A tile that is much of what a query takes has no
    // such others: it is added once in each way, a fourth of it, and has no part in the run.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddApart(in TileSumWork work, int firstTile, int firstQuery, int most, byte* weights, float* factors)
    {
        TileShape shape = work.Shape;
        byte* copies = stackalloc byte[shape.Groups * RowsPerRun];
        float* shares = stackalloc float[shape.Groups * TilesPerRun * QueriesAtOnce];
        int* starts = stackalloc int[shape.Groups * TilesPerRun * QueriesAtOnce];
        for (; most != 0; most &= most - 1)
        {
            int bit = BitOperations.TrailingZeroCount(most), tile = bit / QueriesAtOnce, query = bit % QueriesAtOnce;
            float* own = work.Weights + ((nint)(firstQuery + query) * work.Stride) + ((firstTile + tile) * TileLayout.Rows);
            if (TensorPrimitives.Sum(new ReadOnlySpan<float>(own, TileLayout.Rows)) < Little)
                continue;
            for (int i = 0; i < shape.Groups * TilesPerRun; i++)
            {
                int group = i / TilesPerRun, way = i % TilesPerRun;
                Unsafe.CopyBlockUnaligned(
                    copies + (i * TileLayout.Rows), weights + (((query * shape.Groups) + group) * RowsPerRun) + (tile * TileLayout.Rows), TileLayout.Rows);
                shares[i * QueriesAtOnce] = factors[(((group * TilesPerRun) + tile) * QueriesAtOnce) + query] * shape.Table.Units[way] / (shape.Table.Units[tile] * TilesPerRun);
            }

            for (int group = 0; group < shape.Groups; group++)
                factors[(((group * TilesPerRun) + tile) * QueriesAtOnce) + query] = 0;
            Some<One>(work, new TileSumRun
            {
                Blocks = work.Blocks + ((nint)(firstTile + tile) * work.BlockStride),
                BlockStride = 0,
                Tiles = TilesPerRun,
                Queries = 1,
                Weights = copies,
                Factors = shares,
                Starts = starts,
                LooksAhead = false,
                Accumulators = work.Accumulators + ((nint)(firstQuery + query) * shape.Dimension),
            });
        }
    }

    private static void Some<TCount>(in TileSumWork work, in TileSumRun run)
        where TCount : ICount
    {
        switch (work.Shape.Table.IsTrellis, work.Shape.Table.Bits)
        {
            case (true, 1): AtWidth<TCount, TrellisBits<One, TrellisValues>>(work, run); break;
            case (true, 2): AtWidth<TCount, TrellisBits<Two, TrellisValues>>(work, run); break;
            case (true, 3): AtWidth<TCount, TrellisBits<Three, TrellisValues>>(work, run); break;
            case (true, _): AtWidth<TCount, TrellisBits<Four, TrellisValues>>(work, run); break;
            case (_, 2): OfLevels<TCount, TileBits2>(work, run); break;
            case (_, 3): OfLevels<TCount, TileBits3>(work, run); break;
            default: OfLevels<TCount, TileBits4>(work, run); break;
        }
    }

    private static void OfLevels<TCount, TBits>(in TileSumWork work, in TileSumRun run)
        where TCount : ICount
        where TBits : ITileBits
    {
        if (run.LooksAhead)
            AtWidth<TCount, TileBitsAhead<TBits>>(work, run);
        else
            AtWidth<TCount, TBits>(work, run);
    }

    private static void AtWidth<TCount, TBits>(in TileSumWork work, in TileSumRun run)
        where TCount : ICount
        where TBits : ITileBits
    {
        switch (TileWidth.Active)
        {
            case SimdWidth.Bits512: Wide<TCount, TBits, Vector512<byte>, TileSimd512>(work, run); break;
            case SimdWidth.Bits256: Wide<TCount, TBits, Vector256<byte>, TileSimd256>(work, run); break;
            case SimdWidth.Bits128: Wide<TCount, TBits, Vector128<byte>, TileSimd128>(work, run); break;
            default: Scalar(work, run); break;
        }
    }

    private static void Scalar(in TileSumWork work, in TileSumRun run)
    {
        Span<byte> levels = stackalloc byte[TileLayout.Rows * work.Shape.Dimension];
        Span<int> sums = stackalloc int[work.Shape.Dimension];
        int length = work.Shape.Dimension / work.Shape.Groups;
        for (int tile = 0; tile < run.Tiles; tile++)
        {
            byte* block = run.Blocks + ((nint)tile * run.BlockStride);
            work.Shape.UnpackIntegers(new ReadOnlySpan<byte>(block + work.Shape.ScaleBytes, work.Shape.Bytes - work.Shape.ScaleBytes), tile, levels);
            for (int q = 0; q < run.Queries; q++)
            {
                byte* weights = run.WeightsOf(work.Shape, q) + (tile * TileLayout.Rows);
                float* factors = run.FactorsOf(work.Shape, q) + (tile * QueriesAtOnce);
                sums.Clear();
                for (int i = 0; i < levels.Length; i++)
                {
                    int row = i / work.Shape.Dimension, c = i % work.Shape.Dimension;
                    sums[c] += (sbyte)levels[i] * weights[(c / length * RowsPerRun) + row];
                }

                for (int c = 0; c < sums.Length; c++)
                    run.Accumulators[(q * work.Shape.Dimension) + c] += sums[c] * factors[c / length * TilesPerRun * QueriesAtOnce];
            }
        }
    }

    // Compiled in full at the first call: a first token must not wait for the runtime to find out that this is hot.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TCount, TBits, TVector, TSimd>(in TileSumWork work, in TileSumRun run)
        where TCount : ICount
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        // Tables never move.
        byte* tables = (byte*)Unsafe.AsPointer(ref (TSimd.AddsProducts ? work.Shape.Table.Unsigned : work.Shape.Table.Signed)[0]);
        int groups = work.Shape.Groups, unitsPerGroup = work.Shape.Units / groups, unitBytes = TileLayout.UnitBytes(TBits.Bits), tableStride = work.Shape.Table.Stride;
        if (TSimd.AddsProducts)
            Begin(work, run);
        for (int g = 0; g < groups; g++)
        {
            byte* group = run.Blocks + work.Shape.ScaleBytes + (g * unitsPerGroup * unitBytes);
            for (int tile = 0; tile < run.Tiles; tile++)
                TBits.Begin<TVector, TSimd>(new TileUnits { First = group + (tile * run.BlockStride), Stride = unitBytes, Count = unitsPerGroup, Columns = run.Levels + (tile * TileLayout.UnitCodes) });
            for (int part = 0; part < TileLayout.RegisterBytes; part += TSimd.Bytes)
            {
                for (int u = 0; u < unitsPerGroup; u += UnitsAtOnce)
                {
                    var units = new TileUnits
                    {
                        First = group + (u * unitBytes),
                        Stride = unitBytes,
                        Count = Math.Min(UnitsAtOnce, unitsPerGroup - u),
                        Part = part,
                        Tables = tables,
                        Columns = run.Levels,
                        Begins = u == 0,
                        Levels = run.Levels + (TilesPerRun * TileLayout.UnitCodes),
                    };
                    TileUnits ofTile = units;
                    for (int tile = 0; tile < run.Tiles; tile++)
                    {
                        TBits.LookAhead<TVector, TSimd>(ofTile);
                        ofTile.First += run.BlockStride;
                        ofTile.Tables += tableStride;
                        ofTile.Columns += TileLayout.UnitCodes;
                        ofTile.Levels += LevelsPerTile;
                    }

                    int first = (g * unitsPerGroup) + u;
                    if (typeof(TCount) == typeof(Many))
                        All<TBits, TVector, TSimd>(work, run, units, g, first);
                    else
                        Queries<TCount, TBits, TVector, TSimd>(work, run, units, g, first, 0);
                }
            }
        }
    }

    // Unsigned levels are too large by the magnitude: sums begin less what that makes of the weights of a tile.
    private static void Begin(in TileSumWork work, in TileSumRun run)
    {
        for (int q = 0; q < run.Queries; q++)
        {
            int* starts = run.Starts + (run.FactorsOf(work.Shape, q) - run.Factors);
            for (int g = 0; g < work.Shape.Groups; g++)
            {
                byte* weights = run.WeightsOf(work.Shape, q) + (g * RowsPerRun);
                for (int tile = 0; tile < run.Tiles; tile++, weights += TileLayout.Rows)
                {
                    Vector128<byte> rows = Vector128.Load(weights), others = Vector128.Load(weights + 16);
                    Vector128<ushort> sums = (Vector128.WidenLower(rows) + Vector128.WidenUpper(rows)) + (Vector128.WidenLower(others) + Vector128.WidenUpper(others));
                    starts[((g * TilesPerRun) + tile) * QueriesAtOnce] = -work.Shape.Table.Magnitude * Vector128.Sum(sums);
                }
            }
        }
    }

    private static void All<TBits, TVector, TSimd>(in TileSumWork work, in TileSumRun run, in TileUnits units, int group, int firstUnit)
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int q = 0;
        for (; q + 4 <= run.Queries; q += 4)
            Queries<Four, TBits, TVector, TSimd>(work, run, units, group, firstUnit, q);
        if (q + 2 <= run.Queries)
            Queries<Two, TBits, TVector, TSimd>(work, run, units, group, firstUnit, q);
        if (run.Queries % 2 == 1)
            Queries<One, TBits, TVector, TSimd>(work, run, units, group, firstUnit, run.Queries - 1);
    }

    // A few units of all tiles of the run, some queries. A method of its own: a compiler inlines only so much into one, by the length of what it is inlined into.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Queries<TCount, TBits, TVector, TSimd>(in TileSumWork work, in TileSumRun run, in TileUnits units, int group, int firstUnit, int firstQuery)
        where TCount : ICount
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int part = units.Part, unitBytes = TileLayout.UnitBytes(TBits.Bits), tileBytes = run.BlockStride, perQuery = work.Shape.Groups * RowsPerRun, tableStride = work.Shape.Table.Stride;
        nint dimension = work.Shape.Dimension, ahead = firstQuery == 0 && part == 0 ? run.Ahead : 0;
        byte* weightsOfGroup = run.WeightsOf(work.Shape, firstQuery) + (group * RowsPerRun);
        float* factorsOfGroup = run.FactorsOf(work.Shape, firstQuery) + (group * TilesPerRun * QueriesAtOnce), to = run.Accumulators + (firstQuery * dimension) + (firstUnit * TileLayout.Coordinates) + (part / sizeof(float));
        for (int u = 0; u < units.Count; u++, to += TileLayout.Coordinates)
        {
            byte* unit = units.First + (u * unitBytes), weights = weightsOfGroup, levels = units.Levels + (u * 8 * TSimd.Bytes), own = units.Tables;
            float* factors = factorsOfGroup;
            TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
            for (int tile = 0; tile < run.Tiles; tile++, unit += tileBytes, weights += TileLayout.Rows, levels += LevelsPerTile, factors += QueriesAtOnce, own += tableStride)
            {
                TBits.Unpack<TVector, TSimd>(
                    unit + part,
                    levels,
                    TSimd.Load(own),
                    TSimd.Load(own + TileTable.Length),
                    out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7);
                if (ahead != 0)
                    TileWidth.Fetch(unit + ahead, TBits.Bits);
                int* start = run.Starts + (factors - run.Factors);
                a0 = TSimd.AddScaled(a0, Dot<TBits, TVector, TSimd>((int*)weights, start, c0, c1, c2, c3, c4, c5, c6, c7), factors[0]);
                if (TCount.Value > 1)
                    a1 = TSimd.AddScaled(a1, Dot<TBits, TVector, TSimd>((int*)(weights + perQuery), start + 1, c0, c1, c2, c3, c4, c5, c6, c7), factors[1]);
                if (TCount.Value > 2)
                {
                    a2 = TSimd.AddScaled(a2, Dot<TBits, TVector, TSimd>((int*)(weights + (2 * perQuery)), start + 2, c0, c1, c2, c3, c4, c5, c6, c7), factors[2]);
                    a3 = TSimd.AddScaled(a3, Dot<TBits, TVector, TSimd>((int*)(weights + (3 * perQuery)), start + 3, c0, c1, c2, c3, c4, c5, c6, c7), factors[3]);
                }
            }

            TSimd.AddFloats(a0, to);
            if (TCount.Value > 1)
                TSimd.AddFloats(a1, to + dimension);
            if (TCount.Value > 2)
            {
                TSimd.AddFloats(a2, to + (2 * dimension));
                TSimd.AddFloats(a3, to + (3 * dimension));
            }
        }
    }

    // 32 rows of 16 coordinates times the weights of one query.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Dot<TBits, TVector, TSimd>(int* w, int* start, TVector c0, TVector c1, TVector c2, TVector c3, TVector c4, TVector c5, TVector c6, TVector c7)
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        if (TSimd.AddsProducts)
            return TSimd.AddUnsignedProducts(TSimd.AddUnsignedProducts(TSimd.Broadcast(start), w, c0, c1, c2, c3), w + 4, c4, c5, c6, c7);
        TVector p0 = TSimd.AddShorts(TSimd.MultiplyAdd(TSimd.Broadcast(w), c0), TSimd.MultiplyAdd(TSimd.Broadcast(w + 1), c1));
        TVector p1 = TSimd.AddShorts(TSimd.MultiplyAdd(TSimd.Broadcast(w + 2), c2), TSimd.MultiplyAdd(TSimd.Broadcast(w + 3), c3));
        TVector p2 = TSimd.AddShorts(TSimd.MultiplyAdd(TSimd.Broadcast(w + 4), c4), TSimd.MultiplyAdd(TSimd.Broadcast(w + 5), c5));
        TVector p3 = TSimd.AddShorts(TSimd.MultiplyAdd(TSimd.Broadcast(w + 6), c6), TSimd.MultiplyAdd(TSimd.Broadcast(w + 7), c7));
        return TBits.Summands >= 4
            ? TSimd.SumPairs(TSimd.AddShorts(TSimd.AddShorts(p0, p1), TSimd.AddShorts(p2, p3)))
            : TSimd.AddInts(TSimd.AddInts(TSimd.SumPairs(p0), TSimd.SumPairs(p1)), TSimd.AddInts(TSimd.SumPairs(p2), TSimd.SumPairs(p3)));
    }
}
