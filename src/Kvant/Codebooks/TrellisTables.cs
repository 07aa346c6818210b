using Kvant.Kernels;

namespace Kvant.Codebooks;

/// <summary>
/// What the states of the trellis code mean: the sum of two whole numbers, one of 16 by the newer half of a state and one of 16 by both halves (at three bits one of 8 by the newest code), of magnitude 63 at most, and
/// the step that they count, for coordinates of variance 1. One code for each number of bits serves every dimension. Stored codes mean these numbers, so they are constants.
/// </summary>
/// <remarks>
/// A state is eight bits of a row's stream of codes, the newest code on top, each from its lowest bit. Found by the benchmarks' <c>trellis</c> (60 starts and 25 shakes, at three bits 80 and 30, at four 150 and 80): coding
/// random rows, moving each entry to where least squares want it, and rounding.
/// </remarks>
internal static class TrellisTables
{
    /// <summary>The most bits of a code.</summary>
    public const int MaxBits = 4;

    /// <summary>The first summands, in steps; the index is <see cref="TrellisTable.FirstIndex"/>.</summary>
    /// <param name="bits">1 to 4.</param>
    public static ReadOnlySpan<sbyte> First(int bits) => bits switch
    {
        1 => [9, 2, -2, 14, 6, 5, 18, 2, 3, -1, 2, 8, 3, 11, 13, 2],
        2 => [8, 6, -7, -4, 11, 5, -7, -8, 7, 6, -8, -5, 9, 5, -8, -8],
        3 => [-7, -3, 3, 5, 10, -17, -6, -1],
        _ => [18, -14, -19, -12, 1, 23, -5, 10, 15, 6, 2, -25, -33, -3, 32, -8],
    };

    /// <summary>The second summands, in steps; the index is <see cref="TrellisTable.SecondIndex"/>.</summary>
    /// <param name="bits">1 to 4.</param>
    public static ReadOnlySpan<sbyte> Second(int bits) => bits switch
    {
        1 => [19, -22, -26, 12, -55, 0, -12, 45, -23, 20, -29, 8, 27, -17, -46, 3],
        2 => [-25, -5, 34, 11, 4, 25, -52, -18, 17, 52, -4, -24, -33, -10, 4, 24],
        3 => [34, -3, 21, -11, -20, 12, 4, -32, 18, -11, -45, 52, -21, 29, -2, 9],
        _ => [-18, -22, 2, 19, -30, 9, 31, 5, 23, -10, 14, -2, 9, -6, -1, -14],
    };

    /// <summary>A step, in standard deviations of a coordinate.</summary>
    /// <param name="bits">1 to 4.</param>
    public static float Step(int bits) => bits switch
    {
        1 => 0.0326425478f,
        2 => 0.0389989805f,
        3 => 0.0445934242f,
        _ => 0.0517449788f,
    };
}
