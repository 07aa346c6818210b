using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>Learns the frame of a head from its first rows. In double precision and in one order: the same frame on every machine.</summary>
internal static class FrameLearning
{
    // How far a unit may stand from the middle one: a channel that hardly any query looks at must not take the numbers from the others.
    private const double MostOfMiddle = 16;

    /// <summary>The frame of the head that rows begin.</summary>
    /// <param name="rows">The first rows, from row 0 on.</param>
    /// <param name="dimension">Numbers in a row.</param>
    /// <param name="tables">How they are turned.</param>
    /// <param name="queryEnergies">See <see cref="CalibrationContext.QueryEnergies"/>.</param>
    /// <param name="balanced">Whether channels get units of their own.</param>
    /// <param name="meanRows">Of so many rows the codec of what is left takes the mean away once more, so that units need not care for it; 1 for none.</param>
    public static HeadFrame Learn(ReadOnlySpan<float> rows, int dimension, RotaryTables tables, IReadOnlyList<double> queryEnergies, bool balanced, int meanRows)
    {
        double[] constant = Mean(rows, dimension, tables), units = new double[dimension];
        Array.Fill(units, 1);
        var frame = HeadFrame.Create(tables, constant, units);
        if (!balanced)
            return frame;
        using var left = new AlignedScratch(rows.Length);
        frame.Enter(rows, 0, left.Floats);
        Balance(ByPair(Energies(left.Floats, dimension, meanRows), tables), queryEnergies.Count == 0 ? null : ByPair([.. queryEnergies], tables), units);
        return HeadFrame.Create(tables, constant, units);
    }

    // Every row turned back to row 0.
    private static double[] Mean(ReadOnlySpan<float> rows, int dimension, RotaryTables tables)
    {
        int pairs = tables.Count, count = rows.Length / dimension;
        double[] sum = new double[dimension];
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<float> numbers = rows.Slice(row * dimension, dimension);
            ReadOnlySpan<double> turns = tables.AtFirst(row);
            for (int i = 0; i < pairs; i++)
            {
                double cosine = turns[2 * i], sine = turns[(2 * i) + 1];
                double a = numbers[tables.First(i)], b = numbers[tables.Second(i)];
                sum[tables.First(i)] += (a * cosine) + (b * sine);
                sum[tables.Second(i)] += (b * cosine) - (a * sine);
            }

            for (int i = 2 * pairs; i < dimension; i++)
                sum[i] += numbers[i];
        }

        for (int i = 0; i < dimension; i++)
            sum[i] /= count;
        return sum;
    }

    // Of rows less the mean of so many.
    private static double[] Energies(ReadOnlySpan<float> rows, int dimension, int meanRows)
    {
        double[] energies = new double[dimension], sums = new double[dimension];
        for (int row = 0, at = 0; at < rows.Length; row++)
        {
            bool ends = meanRows > 1 && row % meanRows == meanRows - 1;
            for (int channel = 0; channel < dimension; channel++, at++)
            {
                energies[channel] += (double)rows[at] * rows[at];
                sums[channel] += rows[at];
                if (ends)
                {
                    energies[channel] -= sums[channel] * sums[channel] / meanRows;
                    sums[channel] = 0;
                }
            }
        }

        for (int i = 0; i < dimension; i++)
            energies[i] = Math.Max(0, energies[i]);
        return energies;
    }

    // What positions turn into each other has one energy.
    private static double[] ByPair(double[] energies, RotaryTables tables)
    {
        for (int i = 0; i < tables.Count; i++)
            energies[tables.First(i)] = energies[tables.Second(i)] = (energies[tables.First(i)] + energies[tables.Second(i)]) / 2;
        return energies;
    }

    // (energy of keys / energy of queries)^(1/4): then what is lost in a channel, times how much it matters, is least in sum if codes err alike in all.
    // Of the least unit 1 is made, so that no row grows.
    private static void Balance(double[] keys, double[]? queries, double[] units)
    {
        for (int i = 0; i < units.Length; i++)
            units[i] = queries is null ? keys[i] : queries[i] > 0 ? keys[i] / queries[i] : double.PositiveInfinity;
        double middle = units.Order().ElementAt(units.Length / 2);
        if (middle is 0 or double.PositiveInfinity)
        {
            Array.Fill(units, 1);
            return;
        }

        double most = MostOfMiddle * MostOfMiddle * MostOfMiddle * MostOfMiddle;
        for (int i = 0; i < units.Length; i++)
            units[i] = Math.Sqrt(Math.Sqrt(Math.Clamp(units[i] / middle, 1 / most, most)));
        double least = units.Min();
        for (int i = 0; i < units.Length; i++)
            units[i] /= least;
    }
}
