namespace Kvant.Kernels;

/// <summary>What one call of <see cref="TileScores"/> works on.</summary>
internal unsafe ref struct TileScoreWork
{
    public TileShape Shape;
    public byte* Blocks;

    /// <summary>Bytes from a tile to the next.</summary>
    public int BlockStride;

    public int Tiles;
    public float* Prepared;
    public int QueryStride;
    public int Queries;
    public float* Scores;

    /// <summary>Floats from the scores of a query to those of the next.</summary>
    public int Stride;

    /// <summary>Room for levels that are looked up ahead (<see cref="TileShape.LevelBytes"/>).</summary>
    public byte* Levels;

    /// <summary>How far behind the blocks lie those that come next; 0 if unknown.</summary>
    public nint Ahead;

    /// <summary>One of the queries.</summary>
    public readonly TileQuery Query(int index)
    {
        float* at = Prepared + ((nint)index * QueryStride);
        int* corrections = (int*)at + (Shape.Dimension / 4);
        return new TileQuery { Integers = (int*)at, Corrections = corrections, Factor = *(float*)(corrections + Shape.Groups) };
    }
}

/// <summary>One query as <see cref="TilePrepare"/> wrote it.</summary>
internal unsafe struct TileQuery
{
    /// <summary>The query divided by a step, rounded: four signed bytes per word.</summary>
    public int* Integers;

    /// <summary>Per group of coordinates, minus the sum of its integers times the offset of unsigned levels.</summary>
    public int* Corrections;

    /// <summary>What the product of one integer step of the query and one of the levels is worth.</summary>
    public float Factor;
}
