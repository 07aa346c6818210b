using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>Finds scales of columns such that, with a scale for each row too, all rows and columns of a tile have mean square 1.</summary>
/// <remarks>Rows and columns are divided by their root mean square in turn (Sinkhorn's iteration on the squares). Every sum has one order at all widths.</remarks>
internal static class TileBalance
{
    // Squares of numbers that fp16 scales round to zero.
    private const float Smallest = 1e-24f;

    /// <summary>Finds the scales.</summary>
    /// <param name="tile">Rows one after the other.</param>
    /// <param name="squares">The sum of squares of each row.</param>
    /// <param name="rounds">How often columns and rows are divided; 0 gives scales of 1.</param>
    /// <param name="columns">Receives the scale of each column; their mean square is 1. 0 for a column of zeros.</param>
    public static void Columns(ReadOnlySpan<float> tile, ReadOnlySpan<float> squares, int rounds, Span<float> columns)
    {
        int dimension = columns.Length, rows = squares.Length;
        using var scratch = new AlignedScratch(tile.Length + dimension);
        Span<float> energy = scratch.Floats[..tile.Length], inverses = scratch.Floats[tile.Length..], weights = stackalloc float[rows];
        Elementwise.Multiply(tile, tile, energy);
        columns.Fill(1);
        for (int r = 0; r < rows; r++)
            weights[r] = Inverse(squares[r] / dimension);
        for (int round = 0; round < rounds; round++)
        {
            columns.Clear();
            for (int r = 0; r < rows; r++)
                Elementwise.MultiplyAdd(energy.Slice(r * dimension, dimension), weights[r], columns);
            for (int c = 0; c < dimension; c++)
                inverses[c] = Inverse(columns[c] / rows);
            for (int r = 0; r < rows; r++)
                weights[r] = Inverse(Reductions.Dot(energy.Slice(r * dimension, dimension), inverses) / dimension);
        }

        float sum = 0;
        foreach (float c in columns)
            sum += c;
        for (int c = 0; c < dimension; c++)
            columns[c] = sum == 0 ? 1 : MathF.Sqrt(columns[c] * dimension / sum);
    }

    private static float Inverse(float meanSquare) => meanSquare < Smallest ? 0 : 1 / meanSquare;
}
