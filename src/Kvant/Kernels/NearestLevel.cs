using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>For every number of a row: which level of a symmetric codebook is nearest, and what that level is.</summary>
/// <remarks>
/// The codebook is given by its positive half: levels[0] below levels[1] and so on, with thresholds[k] between levels[k]
/// and levels[k + 1]. The scalar loop is the definition: m = |x * factor|; the level's index is the number of thresholds
/// below m; negative numbers take the mirrored level. Codes run from the lowest level, 0, to the highest. Wide code does
/// the same comparisons lane by lane, all thresholds one after the other; up to eight positive levels are then looked up in a
/// register, more fall out of the comparisons by selection. Numbers behind the last whole four registers take the next narrower
/// width.
/// </remarks>
internal static unsafe class NearestLevel
{
    private const int TableLength = 8;

    /// <summary>Finds the nearest levels.</summary>
    /// <param name="row">The numbers.</param>
    /// <param name="factor">What they are multiplied by first.</param>
    /// <param name="levels">The positive levels, ascending.</param>
    /// <param name="thresholds">One fewer, ascending.</param>
    /// <param name="codes">Receives a code per number, 0 to 2 * levels.Length - 1.</param>
    /// <param name="nearest">Receives the level per number, with its sign.</param>
    public static void Find(ReadOnlySpan<float> row, float factor, ReadOnlySpan<float> levels, ReadOnlySpan<float> thresholds, Span<byte> codes, Span<float> nearest)
    {
        fixed (float* x = row, l = levels, t = thresholds, n = nearest)
        {
            fixed (byte* c = codes)
            {
                int done = 0;
                if (SimdSupport.Active >= SimdWidth.Bits512)
                    done = Wide<Vector512<float>, Simd512>(x, factor, l, t, thresholds.Length, c, n, done, row.Length);
                if (SimdSupport.Active >= SimdWidth.Bits256)
                    done = Wide<Vector256<float>, Simd256>(x, factor, l, t, thresholds.Length, c, n, done, row.Length);
                if (SimdSupport.Active >= SimdWidth.Bits128)
                    done = Wide<Vector128<float>, Simd128>(x, factor, l, t, thresholds.Length, c, n, done, row.Length);
                Scalar(x, factor, l, t, thresholds.Length, c, n, done, row.Length);
            }
        }
    }

    private static void Scalar(float* row, float factor, float* levels, float* thresholds, int count, byte* codes, float* nearest, int start, int length)
    {
        for (int i = start; i < length; i++)
        {
            float scaled = row[i] * factor, magnitude = MathF.Abs(scaled);
            int level = 0;
            while (level < count && magnitude > thresholds[level])
                level++;
            bool negative = float.IsNegative(scaled);
            codes[i] = (byte)(negative ? count - level : count + 1 + level);
            nearest[i] = negative ? -levels[level] : levels[level];
        }
    }

    private static int Wide<TVector, TSimd>(float* row, float factor, float* levels, float* thresholds, int count, byte* codes, float* nearest, int start, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, i = start;
        float* table = stackalloc float[TableLength];
        for (int k = 0; k < TableLength; k++)
            table[k] = levels[Math.Min(k, count)];
        TVector scale = TSimd.Broadcast(factor), first = TSimd.Broadcast(levels[0]);
        for (; i + (4 * lanes) <= length; i += 4 * lanes)
        {
            TVector x0 = TSimd.Multiply(TSimd.Load(row + i), scale), x1 = TSimd.Multiply(TSimd.Load(row + i + lanes), scale);
            TVector x2 = TSimd.Multiply(TSimd.Load(row + i + (2 * lanes)), scale), x3 = TSimd.Multiply(TSimd.Load(row + i + (3 * lanes)), scale);
            TVector m0 = TSimd.Abs(x0), m1 = TSimd.Abs(x1), m2 = TSimd.Abs(x2), m3 = TSimd.Abs(x3);
            TVector c0 = TSimd.Zero, c1 = c0, c2 = c0, c3 = c0, n0 = first, n1 = first, n2 = first, n3 = first;
            if (count < TableLength)
            {
                for (int k = 0; k < count; k++)
                {
                    TVector threshold = TSimd.Broadcast(thresholds[k]);
                    c0 = TSimd.Count(c0, TSimd.GreaterThan(m0, threshold));
                    c1 = TSimd.Count(c1, TSimd.GreaterThan(m1, threshold));
                    c2 = TSimd.Count(c2, TSimd.GreaterThan(m2, threshold));
                    c3 = TSimd.Count(c3, TSimd.GreaterThan(m3, threshold));
                }

                n0 = TSimd.Lookup(table, c0);
                n1 = TSimd.Lookup(table, c1);
                n2 = TSimd.Lookup(table, c2);
                n3 = TSimd.Lookup(table, c3);
            }
            else
            {
                for (int k = 0; k < count; k++)
                {
                    TVector threshold = TSimd.Broadcast(thresholds[k]), level = TSimd.Broadcast(levels[k + 1]);
                    Step<TVector, TSimd>(m0, threshold, level, ref c0, ref n0);
                    Step<TVector, TSimd>(m1, threshold, level, ref c1, ref n1);
                    Step<TVector, TSimd>(m2, threshold, level, ref c2, ref n2);
                    Step<TVector, TSimd>(m3, threshold, level, ref c3, ref n3);
                }
            }

            int @base = count + 1, flip = (2 * count) + 1;
            TSimd.StoreBytes(
                TSimd.SignedLevel(c0, x0, @base, flip),
                TSimd.SignedLevel(c1, x1, @base, flip),
                TSimd.SignedLevel(c2, x2, @base, flip),
                TSimd.SignedLevel(c3, x3, @base, flip),
                codes + i);
            TSimd.Store(TSimd.CopySign(n0, x0), nearest + i);
            TSimd.Store(TSimd.CopySign(n1, x1), nearest + i + lanes);
            TSimd.Store(TSimd.CopySign(n2, x2), nearest + i + (2 * lanes));
            TSimd.Store(TSimd.CopySign(n3, x3), nearest + i + (3 * lanes));
        }

        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TVector, TSimd>(TVector magnitude, TVector threshold, TVector level, ref TVector count, ref TVector nearest)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector above = TSimd.GreaterThan(magnitude, threshold);
        count = TSimd.Count(count, above);
        nearest = TSimd.Select(above, level, nearest);
    }
}
