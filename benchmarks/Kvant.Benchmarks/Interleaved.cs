using System.Diagnostics;

namespace Kvant.Benchmarks;

/// <summary>Times several actions in turn, round after round, so that a slow moment of a shared machine hits all of them alike.</summary>
internal static class Interleaved
{
    // The runtime replaces its quick first code in the background; nothing counts before that is over.
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);

    /// <summary>The median nanoseconds of each action over the rounds.</summary>
    public static double[] Medians(Action[] actions, int rounds = 1001) => Quantiles(actions, rounds, 0.5);

    /// <summary>The nanoseconds that a share of the rounds of each action stays below: a small share where neighbors disturb most rounds.</summary>
    public static double[] Quantiles(Action[] actions, int rounds, double share)
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

        return [.. times.Select(t => t.Order().ElementAt((int)(share * rounds)))];
    }
}
