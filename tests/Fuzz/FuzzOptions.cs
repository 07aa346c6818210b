using System.Globalization;

namespace Kvant.Fuzz;

/// <summary>What the command line says.</summary>
/// <param name="Targets">What to try.</param>
/// <param name="Count">Inputs of each.</param>
/// <param name="Seed">Makes the mutants.</param>
/// <param name="Folder">Where findings, or a corpus, go.</param>
/// <param name="Mode">What to do.</param>
internal sealed record FuzzOptions(IReadOnlyList<FuzzTarget> Targets, int Count, int Seed, string Folder, FuzzMode Mode)
{
    internal const string Usage = "usage: TARGET|all [--count N] [--seed S] [--out FOLDER] | TARGET --corpus FOLDER | TARGET --afl | TARGET --file FILE";

    /// <summary>Reads the command line.</summary>
    /// <exception cref="FormatException">It says something else; the message is one line.</exception>
    internal static FuzzOptions Parse(IReadOnlyList<string> args)
    {
        if (args.Count == 0)
            throw new FormatException(Usage);
        FuzzTarget[] targets = [.. FuzzTargets.All.Where(t => args[0] == "all" || t.Name == args[0])];
        if (targets.Length == 0)
            throw new FormatException($"'{args[0]}' is no target; there are all, {string.Join(", ", FuzzTargets.All.Select(t => t.Name))}");
        var options = new FuzzOptions(targets, 10_000, 1, Path.Combine(Path.GetTempPath(), "kvant-fuzz"), FuzzMode.Loop);
        for (int i = 1; i < args.Count; i++)
        {
            options = args[i] switch
            {
                "--count" => options with { Count = Number(Next(), 1) },
                "--seed" => options with { Seed = Number(Next(), int.MinValue) },
                "--out" => options with { Folder = Next() },
                "--corpus" => options with { Folder = Next(), Mode = FuzzMode.Corpus },
                "--file" => options with { Folder = Next(), Mode = FuzzMode.File },
                "--afl" => options with { Mode = FuzzMode.Afl },
                _ => throw new FormatException($"'{args[i]}' is no option; {Usage}"),
            };

            string Next() => ++i < args.Count ? args[i] : throw new FormatException($"{args[i - 1]} wants a value");
            int Number(string text, int least) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= least
                ? number : throw new FormatException($"'{text}' is no number for {args[i - 1]}");
        }

        return options.Mode == FuzzMode.Loop || targets.Length == 1 ? options : throw new FormatException("that wants one target, not all");
    }
}
