namespace Kvant.Kernels;

/// <summary>What one call of <see cref="TileSums"/> works on.</summary>
internal unsafe ref struct TileSumWork
{
    public TileShape Shape;
    public byte* Blocks;

    /// <summary>Bytes from a tile to the next.</summary>
    public int BlockStride;

    public int Tiles;
    public float* Weights;

    /// <summary>Floats from the weights of a query to those of the next.</summary>
    public int Stride;

    public int Queries;
    public float* Accumulators;

    /// <summary>How far behind the blocks lie those that come next; 0 if unknown.</summary>
    public nint Ahead;
}

/// <summary>Up to four tiles with the integer weights of some queries, which come in fours.</summary>
internal unsafe ref struct TileSumRun
{
    public byte* Blocks;

    /// <summary>Bytes from one to the next; 0 where one tile is added several times.</summary>
    public int BlockStride;

    public int Tiles;

    public int Queries;

    /// <summary>[query, group, row], rows of <see cref="TileSums.RowsPerRun"/>.</summary>
    public byte* Weights;

    /// <summary>[four queries, group, tile, query], of <see cref="TileSums.TilesPerRun"/> tiles: what a product of integers is worth.</summary>
    public float* Factors;

    /// <summary>Room for what sums begin with where levels are unsigned, in the order of <see cref="Factors"/>.</summary>
    public int* Starts;

    public float* Accumulators;

    /// <summary>Room for levels that are looked up ahead (<see cref="TileShape.LevelBytes"/>).</summary>
    public byte* Levels;

    /// <summary>Whether levels are looked up ahead even where that can be done on the way.</summary>
    public bool LooksAhead;

    public nint Ahead;

    /// <summary>The weights of a query.</summary>
    public readonly byte* WeightsOf(TileShape shape, int query) => Weights + ((nint)query * shape.Groups * TileSums.RowsPerRun);

    /// <summary>The factors of a query and those that come with it.</summary>
    public readonly float* FactorsOf(TileShape shape, int query) =>
        Factors + ((nint)(query / TileSums.QueriesAtOnce) * shape.Groups * TileSums.TilesPerRun * TileSums.QueriesAtOnce) + (query % TileSums.QueriesAtOnce);
}
