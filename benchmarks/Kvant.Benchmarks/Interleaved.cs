using System.Diagnostics;

namespace Kvant.Benchmarks;

/// <summary>Times several actions in turn, round after round, so that a slow moment of a shared machine hits all of them alike.</summary>
internal static class Interleaved
{
    // The runtime replaces its quick first code in the background; nothing counts before that is over.
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);

    /// <summary>The median nanoseconds of each action over the rounds.</summary>
    public static double[] Medians(Action[] actions, int rounds = 1001) => [.. Rounds(actions, rounds).Select(Median)];

    /// <summary>The nanoseconds of each action, [action][round]. Ratios of the same round survive a neighbor that comes and goes.</summary>
    public static double[][] Rounds(Action[] actions, int rounds)
    {
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < s_warmUp)
            Array.ForEach(actions, action => action());

        double[][] times = [.. actions.Select(_ => new double[rounds])];
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < actions.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                actions[i]();
                times[i][round] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            }
        }

        return times;
    }

    /// <summary>The middle one of some numbers.</summary>
    public static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return sorted[sorted.Length / 2];
    }
}
