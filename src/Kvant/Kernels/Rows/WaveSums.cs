using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>
/// Sums of waves, a cos(speed x) + b sin(speed x) over many pairs (a, b), at the rows of a page, x rows from its middle: for groups of queries, which have
/// numbers of their own and waves in common.
/// </summary>
/// <remarks>
/// Three steps (<see cref="WaveTable"/> has the waves): pairs turn to the middle of the page; slow ones are summed at a few places; then what is alike on both sides of the
/// middle and what is opposite is summed over one half, and the page is made of both. The scalar loops are the definition; nothing that is stored comes of them, so wide ones may fuse.
/// </remarks>
internal static unsafe class WaveSums
{
    /// <summary>Floats of a buffer for so many queries.</summary>
    public static int ScratchLength(WaveTable table, int queries) => queries * 2 * Room(table);

    /// <summary>Adds the sums to the scores of a page.</summary>
    /// <param name="table">The waves.</param>
    /// <param name="turns">Cosines, then sines, of the angles in the middle of the page, <see cref="WaveTable.Pairs"/> each.</param>
    /// <param name="numbers">Per query <see cref="WaveTable.Pairs"/> a and as many b.</param>
    /// <param name="stride">Floats from one query to the next.</param>
    /// <param name="queries">How many.</param>
    /// <param name="scores">[query, row of the page]; added to.</param>
    /// <param name="scoreStride">Floats from the scores of one query to those of the next.</param>
    /// <param name="scratch"><see cref="ScratchLength"/> floats, which begin a cache line.</param>
    public static void Add(
        WaveTable table, ReadOnlySpan<float> turns, ReadOnlySpan<float> numbers, int stride, int queries, Span<float> scores, int scoreStride, Span<float> scratch)
    {
        Debug.Assert(scores.Length >= ((queries - 1) * scoreStride) + WaveTable.PageRows && scratch.Length >= ScratchLength(table, queries), "Too short.");
        fixed (float* t = turns, n = numbers, s = scores, buffer = scratch, even = table.Even, odd = table.Odd, evenPlaces = table.EvenPlaces, oddPlaces = table.OddPlaces)
        {
            var job = new Job
            {
                Pairs = table.Pairs,
                Fast = table.Fast,
                Slow = table.Slow,
                Even = even,
                Odd = odd,
                EvenPlaces = evenPlaces,
                OddPlaces = oddPlaces,
                Turns = t,
                Numbers = n,
                Stride = stride,
                Turned = buffer,
                Room = Room(table),
                Scores = s,
                ScoreStride = scoreStride,
            };
            for (int done = 0; done < queries;)
            {
                int left = queries - done, count = left >= 4 ? 4 : left >= 2 ? 2 : 1;
                switch (count)
                {
                    case 4: AtWidth<Four>(job); break;
                    case 2: AtWidth<Two>(job); break;
                    default: AtWidth<One>(job); break;
                }

                done += count;
                job.Numbers += count * job.Stride;
                job.Scores += (nint)count * job.ScoreStride;
            }
        }
    }

    // The a or b of a query, turned, of which the slow ones make room for places.
    private static int Room(WaveTable table) => table.Pairs + (2 * WaveTable.Places);

    private static void AtWidth<TCount>(in Job job)
        where TCount : ICount
    {
        switch (SimdSupport.Active)
        {
            case SimdWidth.Bits512: Wide<TCount, Vector512<float>, Simd512, Vector256<float>, Simd256>(job); break;
            case SimdWidth.Bits256: Wide<TCount, Vector256<float>, Simd256, Vector256<float>, Simd256>(job); break;
            case SimdWidth.Bits128: Wide<TCount, Vector128<float>, Simd128, Vector128<float>, Simd128>(job); break;
            default: Scalar<TCount>(job); break;
        }
    }

    private static void Scalar<TCount>(in Job job)
        where TCount : ICount
    {
        float* half = stackalloc float[2 * WaveTable.HalfRows];
        for (int q = 0; q < TCount.Value; q++)
        {
            float* a = job.Turned + (2 * q * job.Room), b = a + job.Room, numbers = job.Numbers + (q * job.Stride), scores = job.Scores + ((nint)q * job.ScoreStride);
            for (int i = 0; i < job.Pairs; i++)
            {
                float cosine = job.Turns[i], sine = job.Turns[job.Pairs + i];
                (a[i], b[i]) = ((numbers[i] * cosine) + (numbers[job.Pairs + i] * sine), (numbers[job.Pairs + i] * cosine) - (numbers[i] * sine));
            }

            AtPlaces(a + job.Fast, job.EvenPlaces, job.Slow);
            AtPlaces(b + job.Fast, job.OddPlaces, job.Slow);
            new Span<float>(half, 2 * WaveTable.HalfRows).Clear();
            for (int i = 0; i < (job.Fast + WaveTable.Places) * WaveTable.HalfRows; i++)
            {
                int wave = i / WaveTable.HalfRows, row = i % WaveTable.HalfRows;
                half[row] += a[wave] * job.Even[i];
                half[WaveTable.HalfRows + row] += b[wave] * job.Odd[i];
            }

            for (int row = 0; row < WaveTable.HalfRows; row++)
            {
                scores[WaveTable.HalfRows + row] += half[row] + half[WaveTable.HalfRows + row];
                scores[WaveTable.HalfRows - 1 - row] += half[row] - half[WaveTable.HalfRows + row];
            }
        }

        static void AtPlaces(float* slow, float* waves, int count)
        {
            float* sums = stackalloc float[WaveTable.Places];
            new Span<float>(sums, WaveTable.Places).Clear();
            for (int i = 0; i < count * WaveTable.Places; i++)
                sums[i % WaveTable.Places] += slow[i / WaveTable.Places] * waves[i];
            new Span<float>(sums, WaveTable.Places).CopyTo(new(slow, WaveTable.Places));
        }
    }

    private static void Wide<TCount, TVector, TSimd, TNarrow, TNarrowSimd>(in Job job)
        where TCount : ICount
        where TVector : struct
        where TSimd : IRowSimd<TVector>
        where TNarrow : struct
        where TNarrowSimd : IRowSimd<TNarrow>
    {
        for (int q = 0; q < TCount.Value; q++)
            Turn<TVector, TSimd>(job, job.Numbers + (q * job.Stride), job.Turned + (2 * q * job.Room));
        AtPlaces<TCount, TNarrow, TNarrowSimd>(job, job.Turned + job.Fast, job.EvenPlaces);
        AtPlaces<TCount, TNarrow, TNarrowSimd>(job, job.Turned + job.Room + job.Fast, job.OddPlaces);
        Sum<TCount, TVector, TSimd>(job);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Turn<TVector, TSimd>(in Job job, float* a, float* turned)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        float* b = a + job.Pairs, cosines = job.Turns, sines = cosines + job.Pairs, turnedB = turned + job.Room;
        for (int i = 0; i < job.Pairs; i += TSimd.Lanes)
        {
            TVector x = TSimd.Load(a + i), y = TSimd.Load(b + i), c = TSimd.Load(cosines + i), s = TSimd.Load(sines + i);
            TSimd.Store(TSimd.MultiplyAdd(x, c, TSimd.Multiply(y, s)), turned + i);
            TSimd.Store(TSimd.Subtract(TSimd.Multiply(y, c), TSimd.Multiply(x, s)), turnedB + i);
        }
    }

    // Slow pairs of all queries make room for their sums.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void AtPlaces<TCount, TVector, TSimd>(in Job job, float* slow, float* waves)
        where TCount : ICount
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        const int P = WaveTable.Places;
        float* sums = stackalloc float[4 * P], end = slow + job.Slow;
        nint next = 2 * job.Room;
        for (int place = 0; place < P; place += TSimd.Lanes)
        {
            TVector s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
            float* wave = waves + place;
            for (float* x = slow; x < end; x++, wave += P)
            {
                TVector w = TSimd.Load(wave);
                s0 = TSimd.MultiplyAdd(w, TSimd.Broadcast(*x), s0);
                if (TCount.Value > 1)
                    s1 = TSimd.MultiplyAdd(w, TSimd.Broadcast(x[next]), s1);
                if (TCount.Value > 2)
                {
                    s2 = TSimd.MultiplyAdd(w, TSimd.Broadcast(x[2 * next]), s2);
                    s3 = TSimd.MultiplyAdd(w, TSimd.Broadcast(x[3 * next]), s3);
                }
            }

            TSimd.Store(s0, sums + place);
            TSimd.Store(s1, sums + P + place);
            TSimd.Store(s2, sums + (2 * P) + place);
            TSimd.Store(s3, sums + (3 * P) + place);
        }

        for (int q = 0; q < TCount.Value; q++, slow += next, sums += P)
            new Span<float>(sums, P).CopyTo(new(slow, P));
    }

    // Two registers of rows for all queries, first what is alike, then what is opposite; then the rows themselves, of the first half backward.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Sum<TCount, TVector, TSimd>(in Job job)
        where TCount : ICount
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        const int H = WaveTable.HalfRows;
        int lanes = TSimd.Lanes, waves = job.Fast + WaveTable.Places;
        float* alike = stackalloc float[8 * lanes], opposite = stackalloc float[8 * lanes];
        for (int row = 0; row < H; row += 2 * lanes)
        {
            Columns<TCount, TVector, TSimd>(job.Turned, 2 * job.Room, job.Even + row, waves, alike);
            Columns<TCount, TVector, TSimd>(job.Turned + job.Room, 2 * job.Room, job.Odd + row, waves, opposite);
            float* up = job.Scores + H + row, down = job.Scores + H - row - lanes;
            for (int i = 0; i < 2 * TCount.Value; i++)
            {
                TVector x = TSimd.Load(alike + (i * lanes)), y = TSimd.Load(opposite + (i * lanes));
                float* above = up + ((nint)(i / 2) * job.ScoreStride) + (i % 2 * lanes), below = down + ((nint)(i / 2) * job.ScoreStride) - (i % 2 * lanes);
                TSimd.Store(TSimd.Add(TSimd.Load(above), TSimd.Add(x, y)), above);
                TSimd.Store(TSimd.Add(TSimd.Load(below), TSimd.Reverse(TSimd.Subtract(x, y))), below);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Columns<TCount, TVector, TSimd>(float* numbers, nint next, float* table, int waves, float* sums)
        where TCount : ICount
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        int lanes = TSimd.Lanes;
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
        for (float* end = numbers + waves; numbers < end; numbers++, table += WaveTable.HalfRows)
        {
            TVector left = TSimd.Load(table), right = TSimd.Load(table + lanes), x = TSimd.Broadcast(*numbers);
            (a0, b0) = (TSimd.MultiplyAdd(left, x, a0), TSimd.MultiplyAdd(right, x, b0));
            if (TCount.Value > 1)
            {
                x = TSimd.Broadcast(numbers[next]);
                (a1, b1) = (TSimd.MultiplyAdd(left, x, a1), TSimd.MultiplyAdd(right, x, b1));
            }

            if (TCount.Value > 2)
            {
                x = TSimd.Broadcast(numbers[2 * next]);
                (a2, b2) = (TSimd.MultiplyAdd(left, x, a2), TSimd.MultiplyAdd(right, x, b2));
                x = TSimd.Broadcast(numbers[3 * next]);
                (a3, b3) = (TSimd.MultiplyAdd(left, x, a3), TSimd.MultiplyAdd(right, x, b3));
            }
        }

        TSimd.Store(a0, sums);
        TSimd.Store(b0, sums + lanes);
        TSimd.Store(a1, sums + (2 * lanes));
        TSimd.Store(b1, sums + (3 * lanes));
        TSimd.Store(a2, sums + (4 * lanes));
        TSimd.Store(b2, sums + (5 * lanes));
        TSimd.Store(a3, sums + (6 * lanes));
        TSimd.Store(b3, sums + (7 * lanes));
    }

    private ref struct Job
    {
        public int Pairs;
        public int Fast;
        public int Slow;
        public float* Even;
        public float* Odd;
        public float* EvenPlaces;
        public float* OddPlaces;
        public float* Turns;
        public float* Numbers;
        public int Stride;
        public float* Turned;
        public int Room;
        public float* Scores;
        public int ScoreStride;
    }
}
