using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Scores of queries against tiles of keys, in integers: the query in 8-bit integers, the levels of the codes in 8-bit integers.</summary>
/// <remarks>
/// <para>Lanes are rows (<see cref="TileLayout"/>): per unit and query four multiply-adds and their widening; no sum across lanes. Four queries go
/// over a tile together, two or one of what is left; where there are more, its levels are looked up ahead, once for all of them. The scale of
/// each row enters once per group of coordinates that share it.</para>
/// <para>All arithmetic before the scale is exact, so that every width gives the same scores, those of the scalar loop.</para>
/// </remarks>
internal static unsafe class TileScores
{
    // Units whose levels are looked up together, where a tile has no more: they stay in the first-level cache.
    private const int UnitsAtOnce = 32;

    /// <summary>Scores whole tiles.</summary>
    /// <param name="shape">What the tiles look like.</param>
    /// <param name="blocks">Begins at the first tile.</param>
    /// <param name="blockStride">Bytes from one tile to the next: those of a tile, or more where something lies between them.</param>
    /// <param name="prepared">Queries from <see cref="TilePrepare"/>.</param>
    /// <param name="queryStride">Floats from one of them to the next.</param>
    /// <param name="queries">How many there are.</param>
    /// <param name="scores">Receives [query, row].</param>
    /// <param name="upcoming">The tiles that come next, or empty.</param>
    public static void Run(
        TileShape shape, ReadOnlySpan<byte> blocks, int blockStride, ReadOnlySpan<float> prepared, int queryStride, int queries, Span<float> scores, ReadOnlySpan<byte> upcoming)
    {
        fixed (byte* b = blocks, next = upcoming)
        {
            byte* levels = TileShape.Aligned(stackalloc byte[shape.LooksAhead(queries) ? TileShape.LevelBytes(TilesAtOnce(shape), shape.Units / shape.Groups) : 0]);
            fixed (float* p = prepared, s = scores)
            {
                int tiles = shape.Tiles(blocks, blockStride);
                Run(new TileScoreWork
                {
                    Shape = shape,
                    Blocks = b,
                    BlockStride = blockStride,
                    Tiles = tiles,
                    Prepared = p,
                    QueryStride = queryStride,
                    Queries = queries,
                    Scores = s,
                    Levels = levels,
                    Stride = tiles * TileLayout.Rows,
                    Ahead = next == null ? 0 : (nint)(next - b),
                });
            }
        }
    }

    private static int TilesAtOnce(TileShape shape) => Math.Max(1, UnitsAtOnce * shape.Groups / shape.Units);

    private static void Run(in TileScoreWork work)
    {
        switch (work.Queries)
        {
            case 1: Some<One>(work); break;
            case 2: Some<Two>(work); break;
            case 4: Some<Four>(work); break;
            default: Some<Many>(work); break;
        }
    }

    private static void Some<TCount>(in TileScoreWork work)
        where TCount : ICount
    {
        switch (work.Shape.Table.IsTrellis, work.Shape.Table.Bits)
        {
            case (true, 1): AtWidth<TCount, TrellisBits<One, TrellisKeys>>(work); break;
            case (true, 2): AtWidth<TCount, TrellisBits<Two, TrellisKeys>>(work); break;
            case (true, 3): AtWidth<TCount, TrellisBits<Three, TrellisKeys>>(work); break;
            case (true, _): AtWidth<TCount, TrellisBits<Four, TrellisKeys>>(work); break;
            case (_, 2): OfLevels<TCount, TileBits2>(work); break;
            case (_, 3): OfLevels<TCount, TileBits3>(work); break;
            default: OfLevels<TCount, TileBits4>(work); break;
        }
    }

    private static void OfLevels<TCount, TBits>(in TileScoreWork work)
        where TCount : ICount
        where TBits : ITileBits
    {
        if (work.Shape.LooksAhead(work.Queries))
            AtWidth<TCount, TileBitsAhead<TBits>>(work);
        else
            AtWidth<TCount, TBits>(work);
    }

    private static void AtWidth<TCount, TBits>(in TileScoreWork work)
        where TCount : ICount
        where TBits : ITileBits
    {
        switch (TileWidth.Active)
        {
            case SimdWidth.Bits512: Wide<TCount, TBits, Vector512<byte>, TileSimd512>(work); break;
            case SimdWidth.Bits256: Wide<TCount, TBits, Vector256<byte>, TileSimd256>(work); break;
            case SimdWidth.Bits128: Wide<TCount, TBits, Vector128<byte>, TileSimd128>(work); break;
            default: Scalar(work); break;
        }
    }

    private static void Scalar(in TileScoreWork work)
    {
        Span<byte> levels = stackalloc byte[TileLayout.Rows * work.Shape.Dimension];
        for (int tile = 0; tile < work.Tiles; tile++)
        {
            byte* block = work.Blocks + ((nint)tile * work.BlockStride);
            work.Shape.UnpackIntegers(new ReadOnlySpan<byte>(block + work.Shape.ScaleBytes, work.Shape.Bytes - work.Shape.ScaleBytes), 0, levels);
            for (int q = 0; q < work.Queries; q++)
            {
                TileQuery query = work.Query(q);
                for (int row = 0; row < TileLayout.Rows; row++)
                {
                    float score = 0;
                    for (int g = 0; g < work.Shape.Groups; g++)
                    {
                        int sum = 0, length = work.Shape.Dimension / work.Shape.Groups;
                        for (int i = g * length; i < (g + 1) * length; i++)
                            sum += ((sbyte*)query.Integers)[i] * (sbyte)levels[(row * work.Shape.Dimension) + i];
                        score += sum * ((float)((Half*)block)[(g * TileLayout.Rows) + row] * query.Factor);
                    }

                    work.Scores[(q * work.Stride) + (tile * TileLayout.Rows) + row] = score;
                }
            }
        }
    }

    // Compiled in full at the first call: a first token must not wait for the runtime to find out that this is hot.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TCount, TBits, TVector, TSimd>(in TileScoreWork work)
        where TCount : ICount
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        // Tables never move.
        byte* tables = (byte*)Unsafe.AsPointer(ref work.Shape.Table.Unsigned[0]);
        int groups = work.Shape.Groups, units = work.Shape.Units / groups, unitBytes = TileLayout.UnitBytes(TBits.Bits), most = TilesAtOnce(work.Shape);
        for (int first = 0; first < work.Tiles; first += most)
        {
            int tiles = Math.Min(most, work.Tiles - first);
            for (int g = 0; g < groups; g++)
            {
                byte* group = work.Blocks + ((nint)first * work.BlockStride) + work.Shape.ScaleBytes + (g * units * unitBytes);
                var run = new TileUnits { First = group, Stride = unitBytes, Count = units, Tables = tables, Begins = true, Columns = work.Levels, Levels = work.Levels + (most * TileLayout.UnitCodes) };
                TileUnits ofTile = run;
                for (int tile = 0; tile < tiles; tile++, ofTile.First += work.BlockStride, ofTile.Columns += TileLayout.UnitCodes)
                    TBits.Begin<TVector, TSimd>(ofTile);
                for (; run.Part < TileLayout.RegisterBytes; run.Part += TSimd.Bytes)
                {
                    ofTile = run;
                    for (int tile = 0; tile < tiles; tile++, ofTile.First += work.BlockStride, ofTile.Columns += TileLayout.UnitCodes, ofTile.Levels += units * TileLayout.UnitCodes)
                        TBits.LookAhead<TVector, TSimd>(ofTile);
                    if (typeof(TCount) == typeof(Many))
                        All<TBits, TVector, TSimd>(work, run, first, tiles, g);
                    else
                        Queries<TCount, TBits, TVector, TSimd>(work, run, first, tiles, g, 0);
                }
            }
        }
    }

    private static void All<TBits, TVector, TSimd>(in TileScoreWork work, in TileUnits run, int firstTile, int tiles, int group)
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int q = 0;
        for (; q + 4 <= work.Queries; q += 4)
            Queries<Four, TBits, TVector, TSimd>(work, run, firstTile, tiles, group, q);
        if (q + 2 <= work.Queries)
            Queries<Two, TBits, TVector, TSimd>(work, run, firstTile, tiles, group, q);
        if (work.Queries % 2 == 1)
            Queries<One, TBits, TVector, TSimd>(work, run, firstTile, tiles, group, work.Queries - 1);
    }

    // Of a few tiles a part of their rows and a group of their coordinates, for some queries. A method of its own: a compiler inlines only so much into one, by the
    // length of what it is inlined into.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Queries<TCount, TBits, TVector, TSimd>(in TileScoreWork work, in TileUnits run, int firstTile, int tiles, int group, int first)
        where TCount : ICount
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TileQuery q0 = work.Query(first), q1 = TCount.Value > 1 ? work.Query(first + 1) : q0;
        TileQuery q2 = TCount.Value > 2 ? work.Query(first + 2) : q0, q3 = TCount.Value > 2 ? work.Query(first + 3) : q0;
        TVector table = TSimd.Load(run.Tables), second = TSimd.Load(run.Tables + TileTable.Length);
        int part = run.Part, units = run.Count, unitBytes = TileLayout.UnitBytes(TBits.Bits), lane = part / sizeof(int);
        nint ahead = first == 0 && part == 0 ? work.Ahead : 0;
        byte* block = work.Blocks + ((nint)firstTile * work.BlockStride), tileUnits = run.First, tileLevels = run.Levels;
        float* to = work.Scores + ((nint)first * work.Stride) + (firstTile * TileLayout.Rows) + lane;
        for (int tile = 0; tile < tiles; tile++, block += work.BlockStride, tileUnits += work.BlockStride, tileLevels += units * TileLayout.UnitCodes, to += TileLayout.Rows)
        {
            byte* unit = tileUnits, levels = tileLevels;
            TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
            for (int u = 0, at = group * units * 4; u < units; u++, at += 4, unit += unitBytes, levels += 8 * TSimd.Bytes)
            {
                TBits.Unpack<TVector, TSimd>(
                    unit + part, levels, table, second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7);
                if (ahead != 0)
                    TileWidth.Fetch(unit + ahead, TBits.Bits);
                Dot<TBits, TVector, TSimd>(q0.Integers + at, c0, c1, c2, c3, c4, c5, c6, c7, ref a0, ref b0);
                if (TCount.Value > 1)
                    Dot<TBits, TVector, TSimd>(q1.Integers + at, c0, c1, c2, c3, c4, c5, c6, c7, ref a1, ref b1);
                if (TCount.Value > 2)
                {
                    Dot<TBits, TVector, TSimd>(q2.Integers + at, c0, c1, c2, c3, c4, c5, c6, c7, ref a2, ref b2);
                    Dot<TBits, TVector, TSimd>(q3.Integers + at, c0, c1, c2, c3, c4, c5, c6, c7, ref a3, ref b3);
                }
            }

            ushort* scales = (ushort*)block + (group * TileLayout.Rows) + lane;
            Store<TVector, TSimd>(a0, b0, q0, group, scales, to);
            if (TCount.Value > 1)
                Store<TVector, TSimd>(a1, b1, q1, group, scales, to + work.Stride);
            if (TCount.Value > 2)
            {
                Store<TVector, TSimd>(a2, b2, q2, group, scales, to + (2 * work.Stride));
                Store<TVector, TSimd>(a3, b3, q3, group, scales, to + (3 * work.Stride));
            }
        }
    }

    // Sixteen coordinates of one query against both halves of a tile.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Dot<TBits, TVector, TSimd>(
        int* query, TVector c0, TVector c1, TVector c2, TVector c3, TVector c4, TVector c5, TVector c6, TVector c7, ref TVector low, ref TVector high)
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        if (TSimd.AddsProducts)
        {
            low = TSimd.AddProducts(low, query, c0, c1, c2, c3);
            high = TSimd.AddProducts(high, query, c4, c5, c6, c7);
            return;
        }

        TVector x0 = TSimd.Broadcast(query), x1 = TSimd.Broadcast(query + 1), x2 = TSimd.Broadcast(query + 2), x3 = TSimd.Broadcast(query + 3);
        low = TSimd.AddInts(low, Sum<TBits, TVector, TSimd>(TSimd.MultiplyAdd(c0, x0), TSimd.MultiplyAdd(c1, x1), TSimd.MultiplyAdd(c2, x2), TSimd.MultiplyAdd(c3, x3)));
        high = TSimd.AddInts(high, Sum<TBits, TVector, TSimd>(TSimd.MultiplyAdd(c4, x0), TSimd.MultiplyAdd(c5, x1), TSimd.MultiplyAdd(c6, x2), TSimd.MultiplyAdd(c7, x3)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Sum<TBits, TVector, TSimd>(TVector a, TVector b, TVector c, TVector d)
        where TBits : ITileBits
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector ab = TSimd.AddShorts(a, b), cd = TSimd.AddShorts(c, d);
        return TBits.Summands >= 4 ? TSimd.SumPairs(TSimd.AddShorts(ab, cd)) : TSimd.AddInts(TSimd.SumPairs(ab), TSimd.SumPairs(cd));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TVector, TSimd>(TVector low, TVector high, TileQuery query, int group, ushort* scales, float* scores)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TSimd.StoreScaled(low, query.Corrections[group], query.Factor, scales, scores, group > 0);
        TSimd.StoreScaled(high, query.Corrections[group], query.Factor, scales + (TileLayout.Rows / 2), scores + (TileLayout.Rows / 2), group > 0);
    }
}
