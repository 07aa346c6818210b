using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>For every number of a row: which level of a symmetric codebook is nearest, and what that level is. And, as both are at
/// hand, the two sums from which scales are made.</summary>
/// <remarks>
/// The codebook is given by its positive half: levels[0] below levels[1] and so on, with thresholds[k] between levels[k]
/// and levels[k + 1]. The scalar loop is the definition: y = x * factor; the level's index is the number of thresholds
/// below |y|; negative numbers take the mirrored level. Codes run from the lowest level, 0, to the highest. Sums have the shape
/// of <see cref="Reductions"/>. Wide code finds the same index lane by lane: where the levels fit a register, by halving the
/// thresholds that are left, each lane with one of its own that it looks up in a register; where they do not, by comparing with all of
/// them, one after the other. It takes four registers at a time, a multiple of 16 numbers, so partial sums carry over; the numbers
/// behind go to the next narrower width.
/// </remarks>
internal static unsafe class NearestLevel
{
    /// <summary>Finds the nearest levels of one row.</summary>
    /// <param name="row">The numbers.</param>
    /// <param name="factor">What they are multiplied by first.</param>
    /// <param name="levels">The positive levels, ascending; a power of two of them.</param>
    /// <param name="thresholds">One fewer than there are levels, ascending.</param>
    /// <param name="codes">Receives a code per number, 0 to 2 * thresholds.Length + 1.</param>
    /// <param name="nearest">Receives the level per number, with its sign. Empty if neither they nor the product is wanted.</param>
    /// <returns>The sums of y times level (0 if <paramref name="nearest"/> is empty), and of level squared.</returns>
    public static (float Product, float Square) Find(
        ReadOnlySpan<float> row, float factor, ReadOnlySpan<float> levels, ReadOnlySpan<float> thresholds, Span<byte> codes, Span<float> nearest)
    {
        float product = 0, square = 0;
        FindMany(row, new(in factor), levels, thresholds, codes, nearest, new(ref product), new(ref square));
        return (product, square);
    }

    /// <summary>Finds the nearest levels of rows that lie one after the other; the parameters are those of one row, in rows.</summary>
    /// <param name="rows">As many rows as there are factors, all of one length.</param>
    /// <param name="factors">One per row.</param>
    /// <param name="levels">As for one row.</param>
    /// <param name="thresholds">As for one row.</param>
    /// <param name="codes">Receives a code per number.</param>
    /// <param name="nearest">Receives the levels, or is empty.</param>
    /// <param name="products">Receives the sum of y times level of each row, 0 if <paramref name="nearest"/> is empty.</param>
    /// <param name="squares">Receives the sum of level squared of each row.</param>
    public static void FindMany(
        ReadOnlySpan<float> rows,
        ReadOnlySpan<float> factors,
        ReadOnlySpan<float> levels,
        ReadOnlySpan<float> thresholds,
        Span<byte> codes,
        Span<float> nearest,
        Span<float> products,
        Span<float> squares)
    {
        Debug.Assert(levels.Length == thresholds.Length + 1 && int.IsPow2(levels.Length), "The levels are not 2^k, with thresholds between.");
        Debug.Assert(codes.Length == rows.Length && (nearest.IsEmpty || nearest.Length == rows.Length), "The outputs differ in length from the rows.");
        Debug.Assert(products.Length == factors.Length && squares.Length == factors.Length, "The sums differ in number from the rows.");
        int length = rows.Length / Math.Max(1, factors.Length);
        float* sums = stackalloc float[2 * Reductions.Partials];
        fixed (float* x = rows, l = levels, t = thresholds, n = nearest)
        {
            fixed (byte* c = codes)
            {
                var work = new Work { Row = x, Levels = l, Thresholds = t, Count = thresholds.Length, Codes = c, Nearest = n, Products = sums, Squares = sums + Reductions.Partials };
                for (int r = 0; r < factors.Length; r++)
                {
                    work.Factor = factors[r];
                    Row(ref work, length);
                    products[r] = n == null ? 0 : Reductions.Total(work.Products);
                    squares[r] = Reductions.Total(work.Squares);
                    work.Row += length;
                    work.Codes += length;
                    work.Nearest += n == null ? 0 : length;
                }
            }
        }
    }

    private static void Row(ref Work work, int length)
    {
        work.Done = 0;
        if (SimdSupport.Active >= SimdWidth.Bits512 && length >= 64)
            Wide<Vector512<float>, Simd512>(ref work, length);
        if (SimdSupport.Active >= SimdWidth.Bits256 && work.Done + 32 <= length)
            Wide<Vector256<float>, Simd256>(ref work, length);
        if (SimdSupport.Active >= SimdWidth.Bits128 && work.Done + 16 <= length)
            Wide<Vector128<float>, Simd128>(ref work, length);
        if (work.Done < length || length == 0)
            Scalar(ref work, length);
    }

    private static void Scalar(ref Work work, int length)
    {
        if (work.Done == 0)
            new Span<float>(work.Products, 2 * Reductions.Partials).Clear(); // products, then squares
        for (int i = work.Done; i < length; i++)
        {
            float scaled = work.Row[i] * work.Factor, magnitude = MathF.Abs(scaled);
            int level = 0;
            while (level < work.Count && magnitude > work.Thresholds[level])
                level++;
            bool negative = float.IsNegative(scaled);
            float nearest = negative ? -work.Levels[level] : work.Levels[level];
            work.Codes[i] = (byte)(negative ? work.Count - level : work.Count + 1 + level);
            if (work.Nearest != null)
            {
                work.Nearest[i] = nearest;
                work.Products[i % Reductions.Partials] += scaled * nearest;
            }

            work.Squares[i % Reductions.Partials] += nearest * nearest;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TVector, TSimd>(ref Work work, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, i = work.Done, count = work.Count, @base = count + 1, flip = (2 * count) + 1;
        float* row = work.Row, levels = work.Levels, thresholds = work.Thresholds;
        TVector scale = TSimd.Broadcast(work.Factor), first = TSimd.Broadcast(levels[0]), table = TSimd.LoadUpTo(levels, count + 1);
        Sums<TVector, TSimd> squares = default, products = default;
        if (i > 0)
        {
            squares.Load(work.Squares);
            products.Load(work.Products);
        }

        for (; i + (4 * lanes) <= length; i += 4 * lanes)
        {
            TVector x0 = TSimd.Multiply(TSimd.Load(row + i), scale), x1 = TSimd.Multiply(TSimd.Load(row + i + lanes), scale);
            TVector x2 = TSimd.Multiply(TSimd.Load(row + i + (2 * lanes)), scale), x3 = TSimd.Multiply(TSimd.Load(row + i + (3 * lanes)), scale);
            TVector m0 = TSimd.Abs(x0), m1 = TSimd.Abs(x1), m2 = TSimd.Abs(x2), m3 = TSimd.Abs(x3);
            TVector c0 = TSimd.Zero, c1 = c0, c2 = c0, c3 = c0, n0 = first, n1 = first, n2 = first, n3 = first;
            if (count < lanes)
            {
                int half = (count + 1) / 2;
                if (half > 0)
                {
                    TVector middle = TSimd.Broadcast(thresholds[half - 1]);
                    c0 = TSimd.Count(c0, TSimd.GreaterThan(m0, middle), half);
                    c1 = TSimd.Count(c1, TSimd.GreaterThan(m1, middle), half);
                    c2 = TSimd.Count(c2, TSimd.GreaterThan(m2, middle), half);
                    c3 = TSimd.Count(c3, TSimd.GreaterThan(m3, middle), half);
                }

                for (half /= 2; half > 0; half /= 2)
                {
                    // Of the thresholds that a lane has left, c is the first, c + half - 1 the middle one.
                    TVector middles = TSimd.LoadUpTo(thresholds + half - 1, count + 1 - half);
                    c0 = TSimd.Count(c0, TSimd.GreaterThan(m0, TSimd.Lookup(middles, c0)), half);
                    c1 = TSimd.Count(c1, TSimd.GreaterThan(m1, TSimd.Lookup(middles, c1)), half);
                    c2 = TSimd.Count(c2, TSimd.GreaterThan(m2, TSimd.Lookup(middles, c2)), half);
                    c3 = TSimd.Count(c3, TSimd.GreaterThan(m3, TSimd.Lookup(middles, c3)), half);
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

            TSimd.StoreBytes(
                TSimd.SignedLevel(c0, x0, @base, flip),
                TSimd.SignedLevel(c1, x1, @base, flip),
                TSimd.SignedLevel(c2, x2, @base, flip),
                TSimd.SignedLevel(c3, x3, @base, flip),
                work.Codes + i);
            squares.Add(TSimd.Multiply(n0, n0), TSimd.Multiply(n1, n1), TSimd.Multiply(n2, n2), TSimd.Multiply(n3, n3));
            if (work.Nearest == null)
                continue;
            n0 = TSimd.CopySign(n0, x0);
            n1 = TSimd.CopySign(n1, x1);
            n2 = TSimd.CopySign(n2, x2);
            n3 = TSimd.CopySign(n3, x3);
            products.Add(TSimd.Multiply(x0, n0), TSimd.Multiply(x1, n1), TSimd.Multiply(x2, n2), TSimd.Multiply(x3, n3));
            TSimd.Store(n0, work.Nearest + i);
            TSimd.Store(n1, work.Nearest + i + lanes);
            TSimd.Store(n2, work.Nearest + i + (2 * lanes));
            TSimd.Store(n3, work.Nearest + i + (3 * lanes));
        }

        squares.Store(work.Squares);
        products.Store(work.Products);
        work.Done = i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TVector, TSimd>(TVector magnitude, TVector threshold, TVector level, ref TVector count, ref TVector nearest)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector above = TSimd.GreaterThan(magnitude, threshold);
        count = TSimd.Count(count, above, 1);
        nearest = TSimd.Select(above, level, nearest);
    }

    // The 16 partial sums, which fill one, two or four registers.
    private struct Sums<TVector, TSimd>
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        private TVector _a;
        private TVector _b;
        private TVector _c;
        private TVector _d;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(TVector a, TVector b, TVector c, TVector d)
        {
            if (TSimd.Lanes == 16)
            {
                _a = TSimd.Add(TSimd.Add(TSimd.Add(TSimd.Add(_a, a), b), c), d);
            }
            else if (TSimd.Lanes == 8)
            {
                _a = TSimd.Add(TSimd.Add(_a, a), c);
                _b = TSimd.Add(TSimd.Add(_b, b), d);
            }
            else
            {
                _a = TSimd.Add(_a, a);
                _b = TSimd.Add(_b, b);
                _c = TSimd.Add(_c, c);
                _d = TSimd.Add(_d, d);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Load(float* partials)
        {
            _a = TSimd.Load(partials);
            if (TSimd.Lanes < 16)
                _b = TSimd.Load(partials + TSimd.Lanes);
            if (TSimd.Lanes < 8)
            {
                _c = TSimd.Load(partials + 8);
                _d = TSimd.Load(partials + 12);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float* partials)
        {
            TSimd.Store(_a, partials);
            if (TSimd.Lanes < 16)
                TSimd.Store(_b, partials + TSimd.Lanes);
            if (TSimd.Lanes < 8)
            {
                TSimd.Store(_c, partials + 8);
                TSimd.Store(_d, partials + 12);
            }
        }
    }

    private struct Work
    {
        public float* Row;
        public float Factor;
        public float* Levels;
        public float* Thresholds;
        public int Count;
        public byte* Codes;
        public float* Nearest;
        public float* Products; // partial sums, and behind them
        public float* Squares;
        public int Done; // numbers that are finished
    }
}
