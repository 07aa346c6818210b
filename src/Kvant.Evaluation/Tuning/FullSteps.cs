using Kvant.Caching;

namespace Kvant.Evaluation.Tuning;

/// <summary>
/// How the oldest tokens of a tuned policy are coded again as a cache with a limit fills (<see cref="AgeStep.WhenFull"/>). The way from few bytes to little loss, walked back, gives up first what costs
/// least for its bytes: of each layer the side that is at its floor first goes first. Each side is coded again once, since every further time adds an error.
/// </summary>
internal static class FullSteps
{
    /// <summary>The chosen policy with steps down to another.</summary>
    /// <param name="steps">All policies from fewest bytes to least loss; each changes one side of one layer.</param>
    /// <param name="chosen">Which of them new tokens have.</param>
    /// <param name="floor">Which of them the oldest may come to; at most <paramref name="chosen"/>.</param>
    public static LayerPolicy Of(IReadOnlyList<TunePoint> steps, int chosen, int floor) => new([.. steps[chosen].Policy.Select((newest, layer) =>
    {
        LayerSpecs to = steps[floor].Policy[layer];
        return newest.Above(to, keysFirst: LastWith(specs => specs.Keys == to.Keys) > LastWith(specs => specs.Values == to.Values));

        // Behind it this layer is no more at its floor there.
        int LastWith(Func<LayerSpecs, bool> isAtFloor)
        {
            int step = chosen;
            while (step > floor && !isAtFloor(steps[step].Policy[layer]))
                step--;
            return step;
        }
    })]);
}
