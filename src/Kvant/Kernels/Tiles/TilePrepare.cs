using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

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
        int limit = table.QueryLimit, length = query.Length / groups;
        float largest = MathF.Abs(TensorPrimitives.MaxMagnitude(query));
        float factor = largest > 1e-30f ? limit / largest : 0;
        Span<byte> integers = MemoryMarshal.AsBytes(prepared);
        Span<int> corrections = MemoryMarshal.Cast<float, int>(prepared[(query.Length / 4)..]);
        for (int g = 0; g < groups; g++)
            corrections[g] = -table.Magnitude * Round(query.Slice(g * length, length), factor, integers.Slice(g * length, length));
        prepared[(query.Length / 4) + groups] = factor == 0 ? 0 : table.Units[0] / factor;
    }

    // Sixteen numbers at a time: a group is whole units. Moved up before the cut, so that halves round up on both sides of zero.
    private static int Round(ReadOnlySpan<float> numbers, float factor, Span<byte> integers)
    {
        Vector128<int> sum = Vector128<int>.Zero;
        for (int i = 0; i < numbers.Length; i += TileLayout.Coordinates)
        {
            Vector128<int> a = Rounded(numbers[i..], factor), b = Rounded(numbers[(i + 4)..], factor);
            Vector128<int> c = Rounded(numbers[(i + 8)..], factor), d = Rounded(numbers[(i + 12)..], factor);
            sum += (a + b) + (c + d);
            Vector128.Narrow(Vector128.Narrow(a, b), Vector128.Narrow(c, d)).AsByte().CopyTo(integers[i..]);
        }

        return Vector128.Sum(sum);
    }

    private static Vector128<int> Rounded(ReadOnlySpan<float> numbers, float factor) =>
        Vector128.ConvertToInt32Native((Vector128.Create(numbers) * Vector128.Create(factor)) + Vector128.Create(128.5f)) - Vector128.Create(128);
}
