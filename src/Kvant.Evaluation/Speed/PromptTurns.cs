using System.Diagnostics;

namespace Kvant.Evaluation.Speed;

/// <summary>How long models take to read a prompt: all contenders read its first part, then the next, so that a slow moment of the machine hits all of them alike; each part counts by its median over the rounds.</summary>
internal sealed class PromptTurns
{
    /// <summary>Tokens that are read at once, as <c>kvant generate</c> reads them.</summary>
    public const int Part = 512;

    /// <summary>Tokens of the prompt, at least 1.</summary>
    public required int Tokens { get; init; }

    /// <summary>How long the rounds go on; there is one at least, after a first part that warms up.</summary>
    public required TimeSpan Time { get; init; }

    /// <summary>Ends the rounds early.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Tokens in a second, of each contender.</summary>
    public double[] Run(IReadOnlyList<DecodeContender> contenders)
    {
        List<double>[,] times = new List<double>[contenders.Count, (Tokens + Part - 1) / Part];
        Round(contenders, times, parts: 1);
        foreach (List<double> warming in times.Cast<List<double>?>().OfType<List<double>>())
            warming.Clear();
        long begin = Stopwatch.GetTimestamp();
        do
            Round(contenders, times, times.GetLength(1));
        while (Stopwatch.GetElapsedTime(begin) < Time);
        return [.. contenders.Select((_, c) => Tokens / Enumerable.Range(0, times.GetLength(1)).Sum(part => Rounds.Median(times[c, part])))];
    }

    private void Round(IReadOnlyList<DecodeContender> contenders, List<double>[,] times, int parts)
    {
        foreach (DecodeContender contender in contenders)
            contender.Cache.Clear();
        for (int part = 0; part < parts; part++)
        {
            for (int c = 0; c < contenders.Count; c++)
            {
                Cancellation.ThrowIfCancellationRequested();
                long start = Stopwatch.GetTimestamp();
                contenders[c].Read(Math.Min(Part, Tokens - (part * Part)));
                (times[c, part] ??= []).Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
    }
}
