using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>The codes of a row whose path through the trellis lies nearest to its numbers: Viterbi's algorithm, in 16-bit integers.</summary>
/// <remarks>
/// <para>Lanes are states. A step takes the least metric of the 2^bits states before each of 256 / 2^bits groups (slices of the metrics, register by
/// register), notes which it was, spreads each group's metric over the 2^bits states that continue it, and adds the squared distance of number and level.
/// The scalar loop is the definition; all arithmetic is exact, so that every width gives the same codes.</para>
/// <para>The path closes on itself: the first state is made of the last codes. A first pass over the numbers around the row's first one, which starts
/// and ends as it likes, says in which state the row begins; the second pass begins and ends in it.</para>
/// </remarks>
internal static unsafe class TrellisSearch
{
    private const int States = TrellisTable.States;
    private const int Worst = ushort.MaxValue;

    /// <summary>Words that a search needs beside the numbers: metrics of states and groups, then a choice per step and group.</summary>
    public static int ScratchLength(int length, TrellisTable table) => (2 * States) + (Math.Max(length, table.Around) * (States >> table.Bits));

    /// <summary>Finds the codes of one row.</summary>
    /// <param name="table">The code.</param>
    /// <param name="numbers">The row, as the table's levels count.</param>
    /// <param name="codes">Receives a code per number.</param>
    /// <param name="scratch"><see cref="ScratchLength"/> words, of which the first begins a cache line.</param>
    public static void Run(TrellisTable table, ReadOnlySpan<short> numbers, Span<byte> codes, Span<ushort> scratch)
    {
        Debug.Assert(scratch.Length >= ScratchLength(numbers.Length, table), "The scratch is too short.");
        fixed (short* n = numbers, levels = table.Levels)
        fixed (ushort* words = scratch, wide = table.WideSpread)
        fixed (byte* narrow = table.Spread)
        {
            var work = new Work
            {
                Bits = table.Bits,
                Numbers = n,
                Length = numbers.Length,
                Levels = (ushort*)levels,
                Spread = narrow,
                WideSpread = (byte*)wide,
                Metrics = words,
                Groups = words + States,
                Choices = words + (2 * States),
            };
            int before = table.Around / 2, begin = before % numbers.Length;
            new Span<ushort>(work.Metrics, States).Clear();
            Walk(work, begin == 0 ? 0 : numbers.Length - begin, table.Around);
            int state = new ReadOnlySpan<ushort>(work.Metrics, States).IndexOf((ushort)Least(work.Metrics));
            for (int step = table.Around - 1; step >= before; step--)
                state = work.Before(state, step);

            new Span<ushort>(work.Metrics, States).Fill(Worst);
            work.Metrics[state] = 0;
            Walk(work, 0, numbers.Length);
            for (int step = numbers.Length - 1; step >= 0; step--)
            {
                codes[step] = table.Codes[state & ((1 << table.Bits) - 1)];
                state = work.Before(state, step);
            }
        }
    }

    /// <summary>The squared distance of a number and a level, of 16 bits: exact up to a rounding of its last bit, the difference cut to 16 bits.</summary>
    public static int Distance(int number, int level)
    {
        int difference = Math.Clamp(number - level, short.MinValue, short.MaxValue);
        return ((difference * difference) + (1 << 14)) >> 15;
    }

    private static void Walk(in Work work, int first, int steps)
    {
        switch (work.Bits)
        {
            case 1: AtWidth<One>(work, first, steps); break;
            case 2: AtWidth<Two>(work, first, steps); break;
            case 3: AtWidth<Three>(work, first, steps); break;
            default: AtWidth<Four>(work, first, steps); break;
        }
    }

    private static void AtWidth<TBits>(in Work work, int first, int steps)
        where TBits : ICount
    {
        switch (TileWidth.Active)
        {
            // At four bits there are 16 groups, half a register of 512 bits.
            case SimdWidth.Bits512 when TBits.Value < 4: Wide<TBits, Vector512<ushort>, TrellisSimd512>(work, work.WideSpread, first, steps); break;
            case SimdWidth.Bits512 or SimdWidth.Bits256: Wide<TBits, Vector256<ushort>, TrellisSimd256>(work, work.Spread, first, steps); break;
            case SimdWidth.Bits128: Wide<TBits, Vector128<ushort>, TrellisSimd128>(work, work.Spread, first, steps); break;
            default: Scalar(work, first, steps); break;
        }
    }

    private static void Scalar(in Work work, int first, int steps)
    {
        int groups = States >> work.Bits, before = 0;
        for (int step = 0, at = first; step < steps; step++, at = at + 1 == work.Length ? 0 : at + 1)
        {
            int least = Worst;
            for (int g = 0; g < groups; g++)
            {
                int best = 0;
                for (int j = 1; j < 1 << work.Bits; j++)
                    best = work.Metrics[(j * groups) + g] < work.Metrics[(best * groups) + g] ? j : best;
                work.Choices[(step * groups) + g] = (ushort)best;
                // Metrics count from the least of the step before.
                work.Groups[g] = (ushort)Math.Max(0, work.Metrics[(best * groups) + g] - before);
                least = Math.Min(least, work.Groups[g]);
            }

            before = least;
            for (int s = 0; s < States; s++)
                work.Metrics[s] = (ushort)Math.Min(Worst, work.Groups[s >> work.Bits] + Distance(work.Numbers[at], (short)work.Levels[s]));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TBits, TVector, TSimd>(in Work work, byte* spread, int first, int steps)
        where TBits : ICount
        where TVector : struct
        where TSimd : ITrellisSimd<TVector>
    {
        int groups = States >> TBits.Value, lanes = TSimd.Lanes, length = work.Length;
        ushort* metrics = work.Metrics, best = work.Groups, choices = work.Choices, levels = work.Levels;
        short* numbers = work.Numbers;
        TVector before = TSimd.Broadcast(0);
        for (int step = 0, at = first; step < steps; step++)
        {
            TVector least = TSimd.Broadcast(Worst);
            for (int g = 0; g < groups; g += lanes, choices += lanes)
            {
                TVector smallest = TSimd.Load(metrics + g);
                for (int j = 1; j < 1 << TBits.Value; j++)
                    smallest = TSimd.Min(smallest, TSimd.Load(metrics + g + (j * groups)));

                // From the last to the first, so that of equal ones the first stays.
                TVector choice = TSimd.Broadcast((1 << TBits.Value) - 1);
                for (int j = (1 << TBits.Value) - 2; j >= 0; j--)
                    choice = TSimd.Choose(TSimd.Load(metrics + g + (j * groups)), smallest, TSimd.Broadcast(j), choice);
                TSimd.Store(choice, choices);
                smallest = TSimd.Subtract(smallest, before);
                least = TSimd.Min(least, smallest);
                TSimd.Store(smallest, best + g);
            }

            before = TSimd.Broadcast(TSimd.Smallest(least));
            TVector number = TSimd.Broadcast(numbers[at]);
            at = at + 1 == length ? 0 : at + 1;
            for (int register = 0; register < States / lanes; register++)
            {
                int s = register * lanes;
                TSimd.Store(TSimd.AddDistance(TSimd.Spread(best, register, TBits.Value, spread), number, TSimd.Load(levels + s)), metrics + s);
            }
        }
    }

    private static int Least(ushort* metrics)
    {
        Vector128<ushort> least = Vector128.Load(metrics);
        for (int i = 8; i < States; i += 8)
            least = Vector128.Min(least, Vector128.Load(metrics + i));
        return TrellisSimd128.Smallest(least);
    }

    private ref struct Work
    {
        public int Bits;
        public short* Numbers;
        public int Length;
        public ushort* Levels;
        public byte* Spread;
        public byte* WideSpread;
        public ushort* Metrics;
        public ushort* Groups;
        public ushort* Choices;

        // The state from which a state was reached in a step.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly int Before(int state, int step)
        {
            int groups = States >> Bits, group = state >> Bits;
            return (Choices[(step * groups) + group] * groups) + group;
        }
    }
}
