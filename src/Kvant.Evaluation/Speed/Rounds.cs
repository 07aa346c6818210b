using System.Diagnostics;

namespace Kvant.Evaluation.Speed;

/// <summary>Times contenders in turn, round after round, so that a slow moment of a shared machine hits all of them alike; medians count.</summary>
internal sealed class Rounds
{
    private const int FewestRounds = 3;

    // Long against the clock's own time, short against the moods of the machine.
    private const double ShortestTurn = 1e6;
    private const double LongestTurn = 20e6;

    /// <summary>How long the rounds go on; warming up takes half as long beforehand.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>Is told which share is done.</summary>
    public Action<double> Progress { get; init; } = static _ => { };

    /// <summary>Ends the rounds early.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>The median nanoseconds of a step of each contender.</summary>
    public double[] Medians(IReadOnlyList<Contender> contenders)
    {
        int[] steps = WarmUp(contenders);
        List<double>[] times = [.. contenders.Select(_ => new List<double>())];
        long begin = Stopwatch.GetTimestamp();
        for (int round = 0; round < FewestRounds || Stopwatch.GetElapsedTime(begin) < Time; round++)
        {
            for (int i = 0; i < contenders.Count; i++)
            {
                Cancellation.ThrowIfCancellationRequested();
                // The first of several short steps finds caches and threads as another contender left them.
                if (steps[i] > 1)
                    contenders[i].Run(1);
                times[i].Add(NanosecondsPerStep(contenders[i], steps[i]));
            }

            Progress(Math.Clamp((1 + (2 * Stopwatch.GetElapsedTime(begin) / Time)) / 3, 0, 1));
        }

        Progress(1);
        return [.. times.Select(Median)];
    }

    /// <summary>The middle of some numbers.</summary>
    public static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    // The runtime replaces its quick first code in the background; nothing counts before that is over. How many steps a turn has shows on the way:
    // turns are as long as the longest step, so that a busy machine interrupts all contenders as often.
    private int[] WarmUp(IReadOnlyList<Contender> contenders)
    {
        int[] steps = [.. contenders.Select(_ => 1)];
        double[] perStep = new double[steps.Length];
        long begin = Stopwatch.GetTimestamp();
        do
        {
            for (int i = 0; i < contenders.Count; i++)
            {
                Cancellation.ThrowIfCancellationRequested();
                perStep[i] = NanosecondsPerStep(contenders[i], steps[i]);
            }

            double turn = Math.Clamp(perStep.Max(), ShortestTurn, LongestTurn);
            for (int i = 0; i < steps.Length; i++)
                steps[i] = (int)Math.Clamp(Math.Ceiling(turn / perStep[i]), 1, 1 << 20);
            Progress(Math.Clamp(2 * Stopwatch.GetElapsedTime(begin) / Time / 3, 0, 1.0 / 3));
        }
        while (2 * Stopwatch.GetElapsedTime(begin) < Time);
        return steps;
    }

    private static double NanosecondsPerStep(Contender contender, int steps)
    {
        long start = Stopwatch.GetTimestamp();
        contender.Run(steps);
        return Math.Max(1, Stopwatch.GetElapsedTime(start).TotalNanoseconds) / steps;
    }
}
