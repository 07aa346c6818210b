using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Weights times the scales of their rows, as bytes in steps of their own for every tile, which add up to what they were made of.</summary>
/// <remarks>
/// <para>A step is as fine as the 16 bits of the sums allow, where the products of two neighboring rows are added: their largest sum becomes
/// <see cref="TileTable.NeighborLimit"/>. So a peak makes the steps of its own tile coarse, and no others'.</para>
/// <para>Sixteen rows are each rounded at another place between two whole numbers, and what that takes from a row is carried to the one sixteen rows behind:
/// rows whose weights are far below a step keep what they weigh together. What rounding still takes or adds, a step or so, is shared out over the run.</para>
/// </remarks>
internal static unsafe class TileWeights
{
    // Rows with carries of their own.
    private const int Chains = 16;

    // Less weight is none.
    private const float Nothing = 1e-30f;

    // What the first sixteen rows add before the cut: 7/16 apart, so that rows next to each other, and every second and fourth row, are spread evenly too.
    private static ReadOnlySpan<float> Carries =>
    [
        1 / 32f, 15 / 32f, 29 / 32f, 11 / 32f, 25 / 32f, 7 / 32f, 21 / 32f, 3 / 32f,
        17 / 32f, 31 / 32f, 13 / 32f, 27 / 32f, 9 / 32f, 23 / 32f, 5 / 32f, 19 / 32f,
    ];

    /// <summary>Weighs a run of tiles for up to four queries.</summary>
    /// <param name="work">The tiles and the weights.</param>
    /// <param name="tile">The first tile of the run.</param>
    /// <param name="tiles">Tiles in the run.</param>
    /// <param name="query">The first query.</param>
    /// <param name="queries">How many, 1, 2 or 4.</param>
    /// <param name="integers">Receives [query, group, row], rows of <see cref="TileSums.RowsPerRun"/>.</param>
    /// <param name="factors">Receives [group, tile, query], of <see cref="TileSums.TilesPerRun"/> tiles and four queries: what an integer times a step of the levels is worth.</param>
    /// <returns>Bit 4t + q: whether a tile t alone, or a few rows of it, are much of what query q takes from the run.</returns>
    public static int Run(in TileSumWork work, int tile, int tiles, int query, int queries, byte* integers, float* factors)
    {
        int most = 0;
        float* products = stackalloc float[4 * TileSums.RowsPerRun];
        float* worths = stackalloc float[4 * TileSums.TilesPerRun];
        float* weights = work.Weights + ((nint)query * work.Stride) + (tile * TileLayout.Rows);
        TileShape shape = work.Shape;
        for (int g = 0; g < shape.Groups; g++)
        {
            var part = new Part
            {
                Weights = weights,
                Stride = work.Stride,
                Queries = queries,
                Scales = work.Blocks + ((nint)tile * work.BlockStride) + (g * TileLayout.Rows * sizeof(ushort)),
                TileBytes = work.BlockStride,
                Tiles = tiles,
                Products = products,
                Worths = worths,
                Integers = integers + (g * TileSums.RowsPerRun),
                IntegerStride = shape.Groups * TileSums.RowsPerRun,
                Factors = factors + (g * TileSums.TilesPerRun * TileSums.QueriesAtOnce),
                Units = (float*)Unsafe.AsPointer(ref shape.Table.Units[0]), // pinned
                Limit = shape.Table.NeighborLimit,
            };
            switch (TileWidth.Active)
            {
                case SimdWidth.Bits512: most |= Wide<Vector512<byte>, TileSimd512>(part); break;
                case SimdWidth.Bits256: most |= Wide<Vector256<byte>, TileSimd256>(part); break;
                case SimdWidth.Bits128: most |= Wide<Vector128<byte>, TileSimd128>(part); break;
                default: most |= Scalar(part); break;
            }
        }

        return most;
    }

    private static int Scalar(in Part part)
    {
        float* inverses = stackalloc float[4];
        Vector128<float>* sums = stackalloc Vector128<float>[TileSums.TilesPerRun];
        Vector128<float> kept = Vector128<float>.Zero, begun = kept;
        for (int tile = 0; tile < part.Tiles; tile++)
        {
            Half* scales = (Half*)part.ScalesOf(tile);
            Vector128<float> largest = Vector128<float>.Zero, sum = largest;
            for (int i = 0; i < part.Queries * TileLayout.Rows; i++)
            {
                int q = i / TileLayout.Rows, row = i % TileLayout.Rows;
                float product = part.Weights[((nint)q * part.Stride) + (tile * TileLayout.Rows) + row] * (float)scales[row];
                part.Products[i] = product;
                sum = sum.WithElement(q, sum[q] + product);
                if (row % 2 == 1)
                    largest = largest.WithElement(q, MathF.Max(largest[q], part.Products[i - 1] + product));
            }

            sums[tile] = sum;
            Vector128<float> worth = Step(part, tile, largest, inverses);
            begun += worth;
            for (int i = 0; i < part.Queries * Chains; i++)
            {
                int q = i / Chains, chain = i % Chains;
                float carry = Carries[chain];
                for (int row = chain; row < TileLayout.Rows; row += Chains)
                {
                    carry += part.Products[(q * TileLayout.Rows) + row] * inverses[q];
                    part.Integers[(q * part.IntegerStride) + (tile * TileLayout.Rows) + row] = (byte)carry;
                    carry -= (byte)carry;
                }

                kept = kept.WithElement(q, kept[q] + (carry * worth[q]));
            }
        }

        return Share(part, sums, kept - (begun * (Chains / 2)));
    }

    // The scales of a register of rows serve all queries.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Wide<TVector, TSimd>(in Part part)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int lanes = TSimd.Bytes / sizeof(float), tiles = part.Tiles, queries = part.Queries;
        TVector p1 = TSimd.Zero, p2 = TSimd.Zero, p3 = TSimd.Zero;
        Vector128<float>* sums = stackalloc Vector128<float>[TileSums.TilesPerRun];
        float* inverses = stackalloc float[4 * TileSums.TilesPerRun]; // [tile, query]
        float* products = part.Products, weights = part.Weights;
        nint stride = part.Stride;
        Vector128<float> begun = Vector128<float>.Zero;
        for (int tile = 0; tile < tiles; tile++)
        {
            ushort* scales = part.ScalesOf(tile);
            TVector sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
            Vector128<float> largest = Vector128<float>.Zero;
            for (int row = 0; row < TileLayout.Rows; row += lanes, weights += lanes, products += lanes)
            {
                TVector scale = TSimd.LoadHalves(scales + row), p0 = Weigh<TVector, TSimd>(weights, scale, products, ref sum0);
                if (queries > 1)
                    p1 = Weigh<TVector, TSimd>(weights + stride, scale, products + TileSums.RowsPerRun, ref sum1);
                if (queries > 2)
                {
                    p2 = Weigh<TVector, TSimd>(weights + (2 * stride), scale, products + (2 * TileSums.RowsPerRun), ref sum2);
                    p3 = Weigh<TVector, TSimd>(weights + (3 * stride), scale, products + (3 * TileSums.RowsPerRun), ref sum3);
                }

                largest = Vector128.MaxNative(largest, TSimd.LargestNeighbors(p0, p1, p2, p3));
            }

            sums[tile] = TSimd.Sums(sum0, sum1, sum2, sum3);
            begun += Step(part, tile, largest, inverses + (4 * tile));
        }

        TVector kept1 = TSimd.Zero, kept2 = TSimd.Zero, kept3 = TSimd.Zero, kept0 = Round<TVector, TSimd>(part, 0, inverses);
        if (queries > 1)
            kept1 = Round<TVector, TSimd>(part, 1, inverses);
        if (queries > 2)
        {
            kept2 = Round<TVector, TSimd>(part, 2, inverses);
            kept3 = Round<TVector, TSimd>(part, 3, inverses);
        }

        return Share(part, sums, TSimd.Sums(kept0, kept1, kept2, kept3) - (begun * (Chains / 2)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Weigh<TVector, TSimd>(float* weights, TVector scale, float* products, ref TVector sum)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector product = TSimd.Scaled(weights, scale);
        TSimd.StoreFloats(product, products);
        sum = TSimd.AddFloats(sum, product);
        return product;
    }

    // The products of a query become integers; returns what they have left behind the point.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Round<TVector, TSimd>(in Part part, int query, float* inverses)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int lanes = TSimd.Bytes / sizeof(float), tiles = part.Tiles;
        float* products = part.Products + (query * TileSums.RowsPerRun), worths = part.Worths + query, carries = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Carries)); // constants never move
        byte* to = part.Integers + (query * part.IntegerStride);
        TVector kept = TSimd.Zero;
        inverses += query;
        for (int tile = 0; tile < tiles; tile++, products += TileLayout.Rows, to += TileLayout.Rows, inverses += 4, worths += 4)
        {
            float inverse = *inverses, worth = *worths;
            for (int chain = 0; chain < Chains; chain += lanes)
            {
                TVector carry = TSimd.StoreBytes(products + chain, inverse, TSimd.Load((byte*)(carries + chain)), to + chain);
                carry = TSimd.StoreBytes(products + Chains + chain, inverse, carry, to + Chains + chain);
                kept = TSimd.AddScaledFloats(kept, carry, worth);
            }
        }

        return kept;
    }

    // Notes what an integer of a tile is worth where neighbors sum up to as much, and its inverse, for four queries, as many as there are.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Step(in Part part, int tile, Vector128<float> largest, float* inverses)
    {
        Vector128<float> limit = Vector128.Create(part.Limit), worth = largest / limit;
        worth.Store(part.Worths + (4 * tile));
        ((limit / largest) & Vector128.GreaterThan(largest, Vector128.Create(Nothing))).Store(inverses);
        return worth;
    }

    // Makes the integers of a run worth what its products were, of which some is lost, and counts the steps of the levels in. Returns what Run returns.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Share(in Part part, Vector128<float>* sums, Vector128<float> lost)
    {
        Vector128<float> sum = Vector128<float>.Zero;
        for (int tile = 0; tile < part.Tiles; tile++)
            sum += sums[tile];
        Vector128<float> share = (sum / (sum - lost)) & Vector128.GreaterThan(sum, Vector128.Create(Nothing));
        Vector128<float> half = sum * Vector128.Create(0.5f), quarter = sum * Vector128.Create(0.25f), few = sum * Vector128.Create(0.2f / part.Limit);
        int most = 0;
        for (int tile = 0; tile < part.Tiles; tile++)
        {
            Vector128<float> worth = Vector128.Load(part.Worths + (4 * tile)), factors = worth * (share * Vector128.Create(part.Units[tile]));
            // Beside those of the queries at hand lie others'.
            float* to = part.Factors + (TileSums.QueriesAtOnce * tile);
            if (part.Queries == TileSums.QueriesAtOnce)
                factors.Store(to);
            else if (part.Queries == 2)
                factors.GetLower().Store(to);
            else
                *to = factors[0];
            Vector128<float> much = Vector128.GreaterThan(sums[tile], half) | (Vector128.GreaterThan(sums[tile], quarter) & Vector128.GreaterThan(worth, few));
            most |= (int)much.ExtractMostSignificantBits() << (4 * tile);
        }

        return most;
    }

    // A run of tiles, one group of coordinates.
    private ref struct Part
    {
        public float* Weights;
        public int Stride;
        public int Queries;
        public byte* Scales;
        public int TileBytes;
        public int Tiles;
        public float* Products;

        /// <summary>[tile, four queries]: what an integer of a tile is worth.</summary>
        public float* Worths;
        public byte* Integers;
        public int IntegerStride;
        public float* Factors;
        public float* Units;
        public float Limit;

        public readonly ushort* ScalesOf(int tile) => (ushort*)(Scales + ((nint)tile * TileBytes));
    }
}
