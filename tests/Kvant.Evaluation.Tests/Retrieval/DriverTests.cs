using System.Diagnostics;
using System.Globalization;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Retrieval;

namespace Kvant.Evaluation.Tests.Retrieval;

public sealed class DriverTests
{
    [Fact]
    public void Table()
    {
        if (Environment.GetEnvironmentVariable("RETRIEVAL") is not { } dims)
            return;
        using StreamWriter w = new("/tmp/retrieval-" + dims + ".txt");
        int[] lengths = [.. (Environment.GetEnvironmentVariable("LENGTHS") ?? "1024,4096,16384").Split(',').Select(int.Parse)];
        int per = int.Parse(Environment.GetEnvironmentVariable("PER") ?? "8", CultureInfo.InvariantCulture);
        List<CodecPair> pairs = [CodecPair.Parse("fp32"), .. DefaultCodecs.Pairs, CodecPair.Parse("turboquant:bits=1,scale=corrected", "turboquant:bits=1,scale=leastsquares")];
        bool split = Environment.GetEnvironmentVariable("SPLIT") is not null;
        long all = Stopwatch.GetTimestamp();
        foreach (IReadOnlyList<CodecPair> group in split ? pairs.Select(p => (IReadOnlyList<CodecPair>)[p]) : [pairs])
        {
            long start = Stopwatch.GetTimestamp();
            var results = new RetrievalExperiment { Pairs = group, Lengths = lengths, HeadDimensions = [int.Parse(dims, CultureInfo.InvariantCulture)], Threads = split ? 1 : 2, QuestionsPerDepth = per }.Run(cancellation: TestContext.Current.CancellationToken);
            foreach (var g in results.GroupBy(r => r.Label))
                w.WriteLine($"{g.Key,-70} " + string.Join("  ", g.Select(r => $"{r.BytesPerToken,8:0.0} {r.Right,6:0.000} [{string.Join(" ", r.RightByDepth.Select(x => x.ToString("0.00", CultureInfo.InvariantCulture)))}]")) + $" {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
            w.Flush();
        }
        w.WriteLine($"{Stopwatch.GetElapsedTime(all).TotalSeconds:0.0} s");
    }
}
