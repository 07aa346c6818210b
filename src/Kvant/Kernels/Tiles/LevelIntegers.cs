namespace Kvant.Kernels;

/// <summary>Levels of a codebook as small integers times a step: in several ways, whose errors cancel where many rows with the same codes add up.</summary>
internal sealed class LevelIntegers
{
    // Steps that are tried, the largest that leaves room for all levels and longer ones.
    private const int Candidates = 200;
    private const float Longest = 1.4f;

    // What is left of the errors of all ways together counts as much more than what one of them loses in a single row.
    private const double SharedErrorWeight = 16;

    // How much more than the best a way may lose.
    private const double Tolerated = 1.7;

    // How often the choices are looked at again.
    private const int Rounds = 3;

    private LevelIntegers(sbyte[] integers, float step, double[] errors) => (Integers, Step, Errors) = (integers, step, errors);

    /// <summary>The integers, in the order of the levels.</summary>
    public sbyte[] Integers { get; }

    /// <summary>What 1 is worth.</summary>
    public float Step { get; }

    // Of each level, times the square root of how often it occurs; those of large levels change the length of a row too.
    private double[] Errors { get; }

    /// <summary>Finds ways to write levels as integers.</summary>
    /// <param name="levels">The levels, ascending, symmetric around zero, for numbers of standard deviation 1.</param>
    /// <param name="magnitude">The largest integer.</param>
    /// <param name="ways">How many; the first alone is the one that errs least.</param>
    public static LevelIntegers[] Choose(ReadOnlySpan<float> levels, int magnitude, int ways)
    {
        var candidates = new LevelIntegers[Candidates];
        for (int i = 0; i < Candidates; i++)
            candidates[i] = Rounded(levels, levels[^1] / magnitude * (1 + ((Longest - 1) * i / Candidates)));
        double[] none = new double[levels.Length];
        double least = candidates.Min(c => c.Cost(none, 1));
        candidates = [.. candidates.Where(c => c.Cost(none, 1) <= Tolerated * Tolerated * least)];
        var chosen = new LevelIntegers[ways];
        double[] others = new double[levels.Length];
        for (int round = 0; round <= (ways == 1 ? 0 : Rounds); round++)
        {
            for (int way = 0; way < ways; way++)
            {
                int known = round == 0 ? way + 1 : ways;
                Array.Clear(others);
                for (int i = 0; i < known; i++)
                {
                    for (int l = 0; l < others.Length && i != way; l++)
                        others[l] += chosen[i].Errors[l];
                }

                chosen[way] = candidates.MinBy(c => c.Cost(others, known))!;
            }
        }

        return chosen;
    }

    private double Cost(double[] others, int ways)
    {
        double shared = 0, own = 0;
        for (int l = 0; l < Errors.Length; l++)
        {
            shared += Math.Pow((others[l] + Errors[l]) / ways, 2);
            own += Errors[l] * Errors[l];
        }

        return (SharedErrorWeight * shared) + (own / ways);
    }

    // The step of least squares for the integers that a step gives: they then add up to what the levels do.
    private static LevelIntegers Rounded(ReadOnlySpan<float> levels, float step)
    {
        sbyte[] integers = new sbyte[levels.Length];
        double[] shares = new double[levels.Length], errors = new double[levels.Length];
        double products = 0, squares = 0;
        for (int l = 0; l < levels.Length; l++)
        {
            double width = levels[Math.Min(l + 1, levels.Length - 1)] - levels[Math.Max(l - 1, 0)];
            shares[l] = width * Math.Exp(-0.5 * levels[l] * levels[l]);
            integers[l] = (sbyte)MathF.Round(levels[l] / step);
            products += shares[l] * levels[l] * integers[l];
            squares += shares[l] * integers[l] * integers[l];
        }

        float best = (float)(products / squares);
        for (int l = 0; l < levels.Length; l++)
            errors[l] = Math.Sqrt(shares[l] * (1 + (levels[l] * levels[l]))) * ((integers[l] * (double)best) - levels[l]);
        return new LevelIntegers(integers, best, errors);
    }
}
