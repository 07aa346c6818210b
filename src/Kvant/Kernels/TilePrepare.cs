using System.Runtime.InteropServices;

namespace Kvant.Kernels;

/// <summary>Brings a query into the integers of the tile kernels.</summary>
internal static class TilePrepare
{
    /// <summary>Floats that a prepared query takes: a byte per number, a correction per group, the factor.</summary>
    public static int Length(int dimension, int groups) => (dimension / 4) + groups + 1;

    /// <summary>Rounds a query to integers.</summary>
    /// <param name="query">The query in the basis of the codes.</param>
    /// <param name="table">What the codes mean.</param>
    /// <param name="groups">Groups of coordinates that share a scale.</param>
    /// <param name="prepared">Receives <see cref="Length"/> floats' worth of bytes: integers, corrections, factor.</param>
    public static void Run(ReadOnlySpan<float> query, TileTable table, int groups, Span<float> prepared)
    {
        float largest = 0;
        foreach (float x in query)
            largest = MathF.Max(largest, MathF.Abs(x));
        int limit = TileScores.QueryLimit(table.Bits), length = query.Length / groups;
        float factor = largest > 1e-30f ? limit / largest : 0;
        Span<sbyte> integers = MemoryMarshal.Cast<float, sbyte>(prepared);
        Span<int> corrections = MemoryMarshal.Cast<float, int>(prepared[(query.Length / 4)..]);
        for (int g = 0; g < groups; g++)
        {
            int sum = 0;
            for (int i = g * length; i < (g + 1) * length; i++)
            {
                // Moved up before the cut, so that halves round up on both sides of zero and every width rounds alike.
                int integer = (int)((query[i] * factor) + 128.5f) - 128;
                integers[i] = (sbyte)integer;
                sum += integer;
            }

            corrections[g] = -table.Magnitude * sum;
        }

        prepared[(query.Length / 4) + groups] = factor == 0 ? 0 : table.Unit / factor;
    }
}
