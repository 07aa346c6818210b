using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Weights times the scales of their rows, as integers of 7 bits (or 8, see <see cref="TileTable.WeightLimit"/>) relative to the largest of a run of tiles.</summary>
internal static unsafe class TileWeights
{
    /// <summary>Weighs a run of tiles for up to four queries.</summary>
    /// <param name="work">The tiles and the weights.</param>
    /// <param name="tile">The first tile of the run.</param>
    /// <param name="tiles">Tiles in the run.</param>
    /// <param name="query">The first query.</param>
    /// <param name="queries">How many, 1, 2 or 4.</param>
    /// <param name="integers">Receives [query, group, row], rows of <see cref="TileSums.RowsPerRun"/>.</param>
    /// <param name="factors">Receives [query, group]: what an integer times a step of the levels is worth.</param>
    public static void Run(in TileSumWork work, int tile, int tiles, int query, int queries, byte* integers, float* factors)
    {
        float* products = stackalloc float[4 * TileSums.RowsPerRun];
        float* weights = work.Weights + ((nint)query * work.Stride) + (tile * TileLayout.Rows);
        TileShape shape = work.Shape;
        for (int g = 0; g < shape.Groups; g++)
        {
            var part = new Part
            {
                Weights = weights,
                Stride = work.Stride,
                Queries = queries,
                Scales = work.Blocks + ((nint)tile * shape.Bytes) + (g * TileLayout.Rows * sizeof(ushort)),
                TileBytes = shape.Bytes,
                Tiles = tiles,
                Products = products,
                Integers = integers + (g * TileSums.RowsPerRun),
                IntegerStride = shape.Groups * TileSums.RowsPerRun,
                Factors = factors + g,
                FactorStride = shape.Groups,
                Unit = shape.Table.Unit,
                Limit = shape.Table.WeightLimit,
            };
            switch (TileWidth.Active)
            {
                case SimdWidth.Bits512: Wide<Vector512<byte>, TileSimd512>(part); break;
                case SimdWidth.Bits256: Wide<Vector256<byte>, TileSimd256>(part); break;
                case SimdWidth.Bits128: Wide<Vector128<byte>, TileSimd128>(part); break;
                default: Scalar(part); break;
            }
        }
    }

    private static void Scalar(in Part part)
    {
        for (int q = 0; q < part.Queries; q++)
        {
            float largest = 0;
            for (int i = 0; i < part.Tiles * TileLayout.Rows; i++)
            {
                Half scale = ((Half*)(part.Scales + ((nint)(i / TileLayout.Rows) * part.TileBytes)))[i % TileLayout.Rows];
                part.Products[i] = part.Weights[(q * part.Stride) + i] * (float)scale;
                largest = MathF.Max(largest, part.Products[i]);
            }

            float factor = part.Keep(q, largest);
            for (int i = 0; i < part.Tiles * TileLayout.Rows; i++)
                part.Integers[(q * part.IntegerStride) + i] = (byte)(int)((part.Products[i] * factor) + 0.5f);
        }
    }

    // The scales of a register of rows serve all queries.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TVector, TSimd>(in Part part)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int lanes = TSimd.Bytes / sizeof(float), rows = part.Tiles * TileLayout.Rows;
        TVector largest0 = TSimd.Zero, largest1 = TSimd.Zero, largest2 = TSimd.Zero, largest3 = TSimd.Zero;
        float* products = part.Products, weights = part.Weights;
        nint stride = part.Stride;
        for (int tile = 0, i = 0; tile < part.Tiles; tile++)
        {
            ushort* scales = (ushort*)(part.Scales + ((nint)tile * part.TileBytes));
            for (int row = 0; row < TileLayout.Rows; row += lanes, i += lanes)
            {
                TVector scale = TSimd.LoadHalves(scales + row);
                largest0 = Weigh<TVector, TSimd>(weights + i, scale, products + i, largest0);
                if (part.Queries > 1)
                    largest1 = Weigh<TVector, TSimd>(weights + stride + i, scale, products + TileSums.RowsPerRun + i, largest1);
                if (part.Queries > 2)
                {
                    largest2 = Weigh<TVector, TSimd>(weights + (2 * stride) + i, scale, products + (2 * TileSums.RowsPerRun) + i, largest2);
                    largest3 = Weigh<TVector, TSimd>(weights + (3 * stride) + i, scale, products + (3 * TileSums.RowsPerRun) + i, largest3);
                }
            }
        }

        for (int q = 0; q < part.Queries; q++, products += TileSums.RowsPerRun)
        {
            float factor = part.Keep(q, TSimd.Largest(q switch { 0 => largest0, 1 => largest1, 2 => largest2, _ => largest3 }));
            byte* to = part.Integers + (q * part.IntegerStride);
            for (int i = 0; i < rows; i += lanes)
                TSimd.StoreBytes(products + i, factor, to + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Weigh<TVector, TSimd>(float* weights, TVector scale, float* products, TVector largest)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector product = TSimd.Scaled(weights, scale);
        TSimd.StoreFloats(product, products);
        return TSimd.MaxFloats(largest, product);
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
        public byte* Integers;
        public int IntegerStride;
        public float* Factors;
        public int FactorStride;
        public float Unit;
        public float Limit;

        // Notes what an integer of a query is worth, and returns what turns its products into integers.
        public readonly float Keep(int query, float largest)
        {
            Factors[query * FactorStride] = largest / Limit * Unit;
            return largest > 1e-30f ? Limit / largest : 0;
        }
    }
}
