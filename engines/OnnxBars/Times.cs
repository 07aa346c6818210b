using System.Diagnostics;
using System.Globalization;

namespace OnnxBars;

/// <summary>How long a token takes behind a long past, one way after the other in turn, so that what else the machine does meets all.</summary>
internal static class Times
{
    private static readonly string[] s_names = ["plain", "past", "layers", "cut"];

    public static void Run(string model, int tokens, string policy, int rounds, int threads)
    {
        Way[] ways = [.. s_names.Select(name => new Way(name, model, policy, threads))];
        double[][] times = [.. ways.Select(_ => new double[rounds])], processor = [.. ways.Select(_ => new double[rounds])];
        foreach (Way way in ways)
        {
            way.Fill(tokens - rounds);
            way.Forward(1);
        }

        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < ways.Length; i++)
            {
                TimeSpan used = Used();
                long begin = Stopwatch.GetTimestamp();
                ways[i].Forward(round + 2);
                times[i][round] = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
                processor[i][round] = (Used() - used).TotalMilliseconds;
            }
        }

        for (int i = 0; i < ways.Length; i++)
        {
            double median = Median(times[i]);
            double ratio = Ratio(times, i), ofProcessor = Ratio(processor, i);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{ways[i].Name}, {policy}, {tokens} tokens: {median:F1} ms a token, {ratio:F2} times plain, {ofProcessor:F2} times its processor time (median of {rounds} rounds; quartiles {Quantile(times[i], .25):F1} and {Quantile(times[i], .75):F1} ms)"));
            ways[i].Dispose();
        }
    }

    // The way's time of each round to that of the plain session in it.
    private static double Ratio(double[][] times, int way) => Median([.. times[way].Select((time, round) => time / times[0][round])]);

    private static TimeSpan Used() => Process.GetCurrentProcess().TotalProcessorTime;

    private static double Median(double[] numbers) => Quantile(numbers, .5);

    private static double Quantile(double[] numbers, double share) => numbers.Order().ElementAt((int)(share * (numbers.Length - 1)));
}
