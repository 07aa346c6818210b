namespace Kvant.Evaluation.Tuning;

/// <summary>
/// Chooses one codec for each of many places (the keys and the values of each layer) so that the sum of losses is least for the bits:
/// a knapsack with one choice by group. Every place begins with its cheapest codec and is upgraded along the lower convex hull of its choices,
/// always where a bit saves most; so each step is the optimum for the bits that it takes (Everett, 1963).
/// </summary>
internal static class Frontier
{
    /// <summary>All steps, from fewest bits to least loss; each holds the index of a choice by place.</summary>
    public static List<int[]> Of(Choice[][] places)
    {
        int[][] hulls = [.. places.Select(Hull)];
        int[] at = new int[places.Length];
        List<int[]> steps = [Chosen()];
        while (true)
        {
            int best = -1;
            double bestSlope = 0;
            for (int place = 0; place < places.Length; place++)
            {
                if (at[place] + 1 < hulls[place].Length && Slope(places[place], hulls[place][at[place]], hulls[place][at[place] + 1]) is var slope && slope > bestSlope)
                    (best, bestSlope) = (place, slope);
            }

            if (best < 0)
                return steps;
            at[best]++;
            steps.Add(Chosen());
        }

        int[] Chosen() => [.. at.Select((i, place) => hulls[place][i])];
    }

    // Choices that no mixture of two others beats, from few bits to many.
    private static int[] Hull(Choice[] choices)
    {
        List<int> hull = [];
        foreach (int next in Enumerable.Range(0, choices.Length).OrderBy(i => choices[i].Bits).ThenBy(i => choices[i].Loss))
        {
            if (hull.Count > 0 && choices[next].Loss >= choices[hull[^1]].Loss)
                continue;
            while (hull.Count > 1 && Slope(choices, hull[^2], hull[^1]) <= Slope(choices, hull[^1], next))
                hull.RemoveAt(hull.Count - 1);
            hull.Add(next);
        }

        return [.. hull];
    }

    // What a bit saves.
    private static double Slope(Choice[] choices, int from, int to) => (choices[from].Loss - choices[to].Loss) / (choices[to].Bits - choices[from].Bits);
}
