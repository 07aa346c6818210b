using System.Diagnostics;
using System.Globalization;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz;

/// <summary>Feeds a target mutants of its corpus, each made from a seed and its number alone.</summary>
internal static class FuzzLoop
{
    // A target that is wrong is wrong often; the first cases tell enough.
    private const int MostFindings = 20;

    /// <summary>Tries some inputs and prints one line, and one for each finding.</summary>
    /// <param name="target">What to try.</param>
    /// <param name="count">How many inputs.</param>
    /// <param name="seed">Makes the mutants.</param>
    /// <param name="folder">Where the bytes of findings go.</param>
    /// <param name="output">Gets the lines.</param>
    /// <returns>How many findings there were.</returns>
    internal static int Run(FuzzTarget target, int count, int seed, string folder, TextWriter output)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, target.Name + ".input");
        byte[][] corpus = target.Corpus();
        // What is valid must be accepted, or mutants of it would test nothing.
        foreach (byte[] valid in corpus)
            target.Read(FuzzInput.Write(path, valid));

        int done = 0, accepted = 0, findings = 0;
        TimeSpan slowest = TimeSpan.Zero;
        long start = Stopwatch.GetTimestamp();
        for (; done < count && findings < MostFindings; done++)
        {
            byte[] mutant = Mutator.Mutant(corpus[done % corpus.Length], new Random(unchecked((seed * 486187739) + done)));
            long before = Stopwatch.GetTimestamp();
            string? finding = target.Try(FuzzInput.Write(path, mutant), out bool taken);
            slowest = TimeSpan.FromTicks(Math.Max(slowest.Ticks, Stopwatch.GetElapsedTime(before).Ticks));
            accepted += taken ? 1 : 0;
            if (finding is null)
                continue;
            findings++;
            string kept = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{seed}-{done}"));
            File.WriteAllBytes(kept, mutant);
            output.WriteLine($"{target.Name}: seed {seed}, input {done}, kept in {kept}: {finding}");
        }

        new FuzzInput([], path).Delete();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name,-12} {done,9} inputs  {accepted,9} accepted  {done - accepted - findings,9} refused  {findings,3} findings  {done / seconds,7:F0} inputs/s  slowest {slowest.TotalMilliseconds:F0} ms"));
        return findings;
    }
}
