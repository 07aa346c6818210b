using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Walsh-Hadamard transforms of numbers that stay in registers from the first stage of the first round to the last.</summary>
/// <remarks>The stages are those of <see cref="Hadamard"/>, in the same order: below the register's lanes inside each register, then
/// between registers that lie 1, 2, 4 and 8 apart. Rows of 4, 8 or 16 registers of 512 bits go sixteen registers at a time: the processor overlaps
/// what stands side by side, and one short row has too little of it. Each loop is a method that is never inlined: the compiler inlines only
/// so much into one method, and a stage beyond that becomes a call that costs more than the transform.</remarks>
internal static unsafe class HadamardRegisters
{
    /// <summary>All rounds of as many rows as fit.</summary>
    /// <returns>The floats that are done; the rows behind them are for others, and so are all rows of lengths that do not fit.</returns>
    public static int Rounds<TVector, TSimd>(float* source, float* signs, int rounds, float* destination, int total, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, done = 0;
        // Sixteen registers and the constants need the 32 registers that only 512 bits promise.
        if (lanes == 16 && length >= 4 * lanes && length <= 16 * lanes)
        {
            done = total & -(16 * lanes);
            if (done > 0)
                Sixteen<TVector, TSimd>(source, signs, rounds, destination, done, length);
        }

        if (length != 8 * lanes || done == total)
            return done;
        Eight<TVector, TSimd>(source + done, signs, rounds, destination + done, total - done, ownSigns: false);
        return total;
    }

    /// <summary>All stages of eight registers that lie side by side, then of the next eight.</summary>
    /// <param name="source">The numbers.</param>
    /// <param name="signs">Factors: of the first round of the first eight registers, of their second round, and so on.</param>
    /// <param name="rounds">How many rounds.</param>
    /// <param name="destination">Receives the numbers; may be the source.</param>
    /// <param name="total">How many numbers.</param>
    /// <param name="ownSigns">Whether every eight has signs of its own, for one round; else all have the same.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Eight<TVector, TSimd>(float* source, float* signs, int rounds, float* destination, int total, bool ownSigns)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes;
        for (int i = 0; i < total; i += 8 * lanes)
        {
            float* s = source + i, p = destination + i, f = ownSigns ? signs + i : signs;
            TVector a = TSimd.Load(s), b = TSimd.Load(s + lanes), c = TSimd.Load(s + (2 * lanes)), d = TSimd.Load(s + (3 * lanes));
            TVector e = TSimd.Load(s + (4 * lanes)), g = TSimd.Load(s + (5 * lanes)), h = TSimd.Load(s + (6 * lanes)), j = TSimd.Load(s + (7 * lanes));
            for (int round = 0; round < rounds; round++, f += 8 * lanes)
            {
                Inside4<TVector, TSimd>(ref a, ref b, ref c, ref d, f);
                Inside4<TVector, TSimd>(ref e, ref g, ref h, ref j, f + (4 * lanes));
                Across4<TVector, TSimd>(ref a, ref b, ref c, ref d);
                Across4<TVector, TSimd>(ref e, ref g, ref h, ref j);
                Butterfly4<TVector, TSimd>(ref a, ref b, ref c, ref d, ref e, ref g, ref h, ref j);
            }

            Store4<TVector, TSimd>(a, b, c, d, p);
            Store4<TVector, TSimd>(e, g, h, j, p + (4 * lanes));
        }
    }

    /// <summary>All stages inside one register, which is multiplied by its signs first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Inside<TVector, TSimd>(TVector v, float* signs)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        v = TSimd.Multiply(v, TSimd.Load(signs));
        v = TSimd.Butterfly(v, 1);
        v = TSimd.Butterfly(v, 2);
        if (TSimd.Lanes > 4)
            v = TSimd.Butterfly(v, 4);
        if (TSimd.Lanes > 8)
            v = TSimd.Butterfly(v, 8);
        return v;
    }

    // One row of sixteen registers, two of eight or four of four: rows share their signs and have no stage between them.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Sixteen<TVector, TSimd>(float* source, float* signs, int rounds, float* destination, int total, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, b = (4 * lanes) % length, c = (8 * lanes) % length, d = (12 * lanes) % length;
        for (int i = 0; i < total; i += 16 * lanes)
        {
            float* s = source + i, p = destination + i, f = signs;
            TVector a0 = TSimd.Load(s), a1 = TSimd.Load(s + lanes), a2 = TSimd.Load(s + (2 * lanes)), a3 = TSimd.Load(s + (3 * lanes));
            TVector b0 = TSimd.Load(s + (4 * lanes)), b1 = TSimd.Load(s + (5 * lanes)), b2 = TSimd.Load(s + (6 * lanes)), b3 = TSimd.Load(s + (7 * lanes));
            TVector c0 = TSimd.Load(s + (8 * lanes)), c1 = TSimd.Load(s + (9 * lanes)), c2 = TSimd.Load(s + (10 * lanes)), c3 = TSimd.Load(s + (11 * lanes));
            TVector d0 = TSimd.Load(s + (12 * lanes)), d1 = TSimd.Load(s + (13 * lanes)), d2 = TSimd.Load(s + (14 * lanes)), d3 = TSimd.Load(s + (15 * lanes));
            for (int round = 0; round < rounds; round++, f += length)
            {
                Inside4<TVector, TSimd>(ref a0, ref a1, ref a2, ref a3, f);
                Inside4<TVector, TSimd>(ref b0, ref b1, ref b2, ref b3, f + b);
                Inside4<TVector, TSimd>(ref c0, ref c1, ref c2, ref c3, f + c);
                Inside4<TVector, TSimd>(ref d0, ref d1, ref d2, ref d3, f + d);
                Across4<TVector, TSimd>(ref a0, ref a1, ref a2, ref a3);
                Across4<TVector, TSimd>(ref b0, ref b1, ref b2, ref b3);
                Across4<TVector, TSimd>(ref c0, ref c1, ref c2, ref c3);
                Across4<TVector, TSimd>(ref d0, ref d1, ref d2, ref d3);
                if (length == 4 * lanes)
                    continue;
                Butterfly4<TVector, TSimd>(ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                Butterfly4<TVector, TSimd>(ref c0, ref c1, ref c2, ref c3, ref d0, ref d1, ref d2, ref d3);
                if (length == 8 * lanes)
                    continue;
                Butterfly4<TVector, TSimd>(ref a0, ref a1, ref a2, ref a3, ref c0, ref c1, ref c2, ref c3);
                Butterfly4<TVector, TSimd>(ref b0, ref b1, ref b2, ref b3, ref d0, ref d1, ref d2, ref d3);
            }

            Store4<TVector, TSimd>(a0, a1, a2, a3, p);
            Store4<TVector, TSimd>(b0, b1, b2, b3, p + (4 * lanes));
            Store4<TVector, TSimd>(c0, c1, c2, c3, p + (8 * lanes));
            Store4<TVector, TSimd>(d0, d1, d2, d3, p + (12 * lanes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Inside4<TVector, TSimd>(ref TVector a, ref TVector b, ref TVector c, ref TVector d, float* signs)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        a = Inside<TVector, TSimd>(a, signs);
        b = Inside<TVector, TSimd>(b, signs + TSimd.Lanes);
        c = Inside<TVector, TSimd>(c, signs + (2 * TSimd.Lanes));
        d = Inside<TVector, TSimd>(d, signs + (3 * TSimd.Lanes));
    }

    // Two stages, between neighbors and between those that lie two apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Across4<TVector, TSimd>(ref TVector a, ref TVector b, ref TVector c, ref TVector d)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        Butterfly<TVector, TSimd>(ref a, ref b);
        Butterfly<TVector, TSimd>(ref c, ref d);
        Butterfly<TVector, TSimd>(ref a, ref c);
        Butterfly<TVector, TSimd>(ref b, ref d);
    }

    // A stage between four registers and four others.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Butterfly4<TVector, TSimd>(
        ref TVector a, ref TVector b, ref TVector c, ref TVector d, ref TVector e, ref TVector f, ref TVector g, ref TVector h)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        Butterfly<TVector, TSimd>(ref a, ref e);
        Butterfly<TVector, TSimd>(ref b, ref f);
        Butterfly<TVector, TSimd>(ref c, ref g);
        Butterfly<TVector, TSimd>(ref d, ref h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Butterfly<TVector, TSimd>(ref TVector a, ref TVector b)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector sum = TSimd.Add(a, b);
        b = TSimd.Subtract(a, b);
        a = sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4<TVector, TSimd>(TVector a, TVector b, TVector c, TVector d, float* destination)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TSimd.Store(a, destination);
        TSimd.Store(b, destination + TSimd.Lanes);
        TSimd.Store(c, destination + (2 * TSimd.Lanes));
        TSimd.Store(d, destination + (3 * TSimd.Lanes));
    }
}
