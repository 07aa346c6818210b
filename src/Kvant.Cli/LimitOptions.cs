using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;

namespace Kvant.Cli;

/// <summary>The options <c>--memory-limit</c> and <c>--floor</c>: what a cache may take, and how small its oldest tokens may become for that.</summary>
/// <param name="whose">What the limit is for, as in "the cache".</param>
internal sealed class LimitOptions(string whose)
{
    private readonly Option<long?> _limit = SpeedOptions.Size("--memory-limit", $"The most bytes of {whose}: a number and KiB, MiB, GiB or the like. As it fills, its oldest tokens are coded again, a little at each token.");

    private readonly Option<string?> _floor = new FileOption<string?>("--floor", FileUse.Policy)
    {
        Description = "With --memory-limit: the fewest bits that old tokens are coded to, values before keys; whatever --policy takes. Without it: the preset tiny, or what the policy says of a full cache ('full: ...').",
        HelpName = "NAME|FILE",
    };

    /// <summary>Both.</summary>
    public IEnumerable<Option> All => [_limit, _floor];

    /// <summary>The limit and the floor, as a user says it; no floor where there is no limit, or the policy says what a full cache does.</summary>
    /// <param name="result">What was given.</param>
    /// <param name="saysWhenFull">Whether the policy does.</param>
    /// <exception cref="UsageException">There is a floor and no limit, or the floor is unknown.</exception>
    public (long? Limit, string? Floor) Of(ParseResult result, bool saysWhenFull)
    {
        long? limit = result.GetValue(_limit);
        string? floor = result.GetValue(_floor);
        if (limit is null && floor is not null)
            throw new UsageException("--floor is for a cache with a --memory-limit; give both, or leave it out");
        return (limit, limit is null || (floor is null && saysWhenFull) ? null : Policies.Known(floor ?? "tiny"));
    }

    /// <summary>Whether a policy says what a full cache does.</summary>
    public static bool SaysWhenFull(IEnumerable<LayerSpecs> policy) => policy.Any(layer => layer.Ages.Any(step => step.Age == AgeStep.WhenFull));
}
