using System.Globalization;
using System.Runtime.InteropServices;
using Kvant.Kernels;
using Kvant.Memory;
using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>
/// Finds the two tables of a trellis code (<see cref="Codebooks.TrellisTables"/>): codes Gaussian rows of unit variance with the search that the library uses, moves
/// the entries to where least squares want them, and again. From many random starts; the best are shaken and trained on; the very best is rounded to bytes.
/// </summary>
internal sealed class TrellisTraining
{
    private const int Dimension = 128;
    private const int States = TrellisTable.States;
    private const int Largest = 63;
    private const ulong Seed = 1;
    private const int Kept = 6;

    private readonly int _bits;
    private readonly TrellisTable _table;
    private readonly byte[] _codes = new byte[Dimension];
    private readonly double[] _counts = new double[States];
    private readonly double[] _sums = new double[States];

    private TrellisTraining(int bits) => (_bits, _table) = (bits, new TrellisTable(new sbyte[16], new sbyte[16], bits, 1));

    /// <summary>Trains the tables of one number of bits and prints them.</summary>
    /// <param name="bits">1 to 4.</param>
    /// <param name="starts">Random tables to begin with.</param>
    /// <param name="shakes">How often each of the best is shaken and trained again.</param>
    public static int Run(int bits, int starts, int shakes)
    {
        var training = new TrellisTraining(bits);
        double[] few = Rows(512, 1), more = Rows(2048, 2), many = Rows(8192, 3), held = Rows(4096, 4);
        var random = new SeededRandom(Seed, (ulong)bits);
        double[][] best = [.. Enumerable.Range(0, starts)
            .Select(_ => Start(random)).Select(tables => (Tables: tables, Error: training.Train(tables, few))).OrderBy(t => t.Error).Take(Kept).Select(t => t.Tables)];
        Console.WriteLine($"{bits} bits, {starts} starts: {string.Join(' ', best.Select(tables => Text(training.Train(tables, more))))}");
        for (int i = 0; i < best.Length; i++)
        {
            double least = training.Train(best[i], more);
            for (int shake = 0; shake < shakes; shake++)
            {
                double width = 0.3 * random.NextDouble();
                double[] other = [.. best[i].Select(x => x + (width * random.NextGaussian()))];
                double error = training.Train(other, more);
                if (error < least)
                    (least, best[i]) = (error, other);
            }

            Console.WriteLine($"  shaken: {Text(least)}");
        }

        double[] tables = best.MinBy(t => training.Train(t, more))!;
        training.Train(tables, many);
        double asFound = training.Code(tables, held);
        (int[] integers, double step) = training.Rounded(tables, many);
        Console.WriteLine($"  on 4,096 other rows {Text(asFound)}, in bytes {Text(training.Code([.. integers.Select(i => i * step)], held))}");
        Console.WriteLine($"  step {step.ToString("G9", CultureInfo.InvariantCulture)}\n  first  {string.Join(", ", integers[..(1 + TrellisTable.FirstIndex(States - 1, bits))])}\n  second {string.Join(", ", integers[16..])}");
        return 0;
    }

    private static string Text(double error) => error.ToString("F5", CultureInfo.InvariantCulture);

    private static double[] Start(SeededRandom random)
    {
        double share = random.NextDouble();
        return [.. Enumerable.Range(0, 32).Select(i => random.NextGaussian() * Math.Sqrt(i < 16 ? share : 1 - share))];
    }

    // Random directions of norm sqrt(d), as rotated rows are once their norm is divided out.
    private static double[] Rows(int count, ulong stream)
    {
        var random = new SeededRandom(Seed, 1000 + stream);
        double[] rows = [.. Enumerable.Range(0, count * Dimension).Select(_ => random.NextGaussian())];
        for (int at = 0; at < rows.Length; at += Dimension)
        {
            Span<double> row = rows.AsSpan(at, Dimension);
            double square = 0;
            foreach (double x in row)
                square += x * x;
            foreach (ref double x in row)
                x *= Math.Sqrt(Dimension / square);
        }

        return rows;
    }

    private double Level(double[] tables, int window) => tables[TrellisTable.FirstIndex(window, _bits)] + tables[16 + TrellisTable.SecondIndex(window, _bits)];

    // Until the error stays; returns it.
    private double Train(double[] tables, double[] rows)
    {
        double last = double.PositiveInfinity;
        while (true)
        {
            double error = Code(tables, rows);
            if (error > last * 0.9998)
                return Math.Min(error, last);
            last = error;
            Fit(tables);
        }
    }

    // Codes the rows and notes what was coded with each window; returns the mean squared error.
    private double Code(double[] tables, double[] rows)
    {
        double[] levels = [.. Enumerable.Range(0, States).Select(window => Level(tables, window))];
        double unit = TrellisTable.Fine * Largest / levels.Max(Math.Abs);
        for (int window = 0; window < States; window++)
            _table.Levels[TrellisTable.Reversed(window, 8)] = (short)Math.Round(levels[window] * unit);
        using var aligned = new AlignedScratch(TrellisSearch.ScratchLength(Dimension, _table));
        Span<ushort> scratch = MemoryMarshal.Cast<float, ushort>(aligned.Floats);
        Span<short> numbers = stackalloc short[Dimension];
        Array.Clear(_counts);
        Array.Clear(_sums);
        double error = 0;
        for (int at = 0; at < rows.Length; at += Dimension)
        {
            for (int i = 0; i < Dimension; i++)
                numbers[i] = (short)Math.Clamp(Math.Round(rows[at + i] * unit), -short.MaxValue, short.MaxValue);
            TrellisSearch.Run(_table, numbers, _codes, scratch);
            int state = 0;
            foreach (byte code in _codes.AsSpan(Dimension - 8))
                state = _table.Next(state, code);
            for (int i = 0; i < Dimension; i++)
            {
                state = _table.Next(state, _codes[i]);
                _counts[state]++;
                _sums[state] += rows[at + i];
                error += Math.Pow(rows[at + i] - levels[state], 2);
            }
        }

        return error / rows.Length;
    }

    // Least squares for what was coded: each table in turn, the other held.
    private void Fit(double[] tables)
    {
        Span<double> wanted = stackalloc double[16], count = stackalloc double[16];
        for (int sweep = 0; sweep < 40; sweep++)
        {
            int mine = sweep % 2 * 16;
            wanted.Clear();
            count.Clear();
            for (int window = 0; window < States; window++)
            {
                int first = TrellisTable.FirstIndex(window, _bits), second = TrellisTable.SecondIndex(window, _bits), entry = mine == 0 ? first : second;
                wanted[entry] += _sums[window] - (_counts[window] * tables[mine == 0 ? 16 + second : first]);
                count[entry] += _counts[window];
            }

            for (int i = 0; i < 16; i++)
                tables[mine + i] = count[i] > 0 ? wanted[i] / count[i] : tables[mine + i];
        }
    }

    // Whole numbers for the step, and the shift between the tables, that err least; then each entry to the whole number that least squares prefer.
    private (int[] Integers, double Step) Rounded(double[] tables, double[] rows)
    {
        Code(tables, rows);
        double largest = Enumerable.Range(0, States).Max(window => Math.Abs(Level(tables, window)));
        (double least, int[] best, double bestStep) = (double.PositiveInfinity, [], 0);
        for (int i = 0; i < 200; i++)
        {
            double step = largest / Largest * (0.95 + (0.1 * i / 200));
            for (double shift = 0; shift < 1; shift += 0.05)
            {
                int[] integers = [.. tables.Select((x, at) => (int)Math.Round((x / step) + (at < 16 ? shift : -shift)))];
                double error = Enumerable.Range(0, States).Max(w => Math.Abs(Level(integers, w))) <= Largest ? Error(integers, step) : double.PositiveInfinity;
                if (error < least)
                    (least, best, bestStep) = (error, integers, step);
            }
        }

        for (int round = 0; round < 6; round++)
        {
            Code([.. best.Select(x => x * bestStep)], rows);
            least = Error(best, bestStep);
            for (int at = 0; at < 32; at++)
            {
                foreach (int change in (int[])[-1, 1])
                {
                    int[] other = [.. best];
                    other[at] += change;
                    if (Enumerable.Range(0, States).Max(w => Math.Abs(Level(other, w))) <= Largest && Error(other, bestStep) < least)
                        (least, best) = (Error(other, bestStep), other);
                }
            }
        }

        return (best, bestStep);
    }

    private int Level(int[] integers, int window) => integers[TrellisTable.FirstIndex(window, _bits)] + integers[16 + TrellisTable.SecondIndex(window, _bits)];

    // The squared error of what was coded, but for what does not depend on the levels.
    private double Error(int[] integers, double step)
    {
        double error = 0;
        for (int window = 0; window < States; window++)
        {
            double level = Level(integers, window) * step;
            error += (_counts[window] * level * level) - (2 * _sums[window] * level);
        }

        return error;
    }
}
