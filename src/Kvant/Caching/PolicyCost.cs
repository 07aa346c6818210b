using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>What making the codecs of a policy takes, found before any is made. A small file must not ask for minutes or gigabytes.</summary>
internal static class PolicyCost
{
    /// <summary>The most different specs of a policy.</summary>
    public const int MostSpecs = 256;

    /// <summary>The most steps for the codecs of a policy that comes from a file: one dense rotation of 645 numbers, not of 646.</summary>
    public const long MostSteps = 1L << 29;

    /// <summary>Steps to make each different codec once, at most <see cref="long.MaxValue"/>. Keys and values of the same spec are two: their tables differ.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is outside its range.</exception>
    public static long Steps(IReadOnlyList<LayerSpecs> policy, CacheGeometry geometry) =>
        policy.SelectMany((layer, i) => layer.Steps.Select(step => (Spec: step.Keys, Dimension: geometry[i].KeyDimension))).Distinct()
            .Concat(policy.SelectMany((layer, i) => layer.Steps.Select(step => (Spec: step.Values, Dimension: geometry[i].ValueDimension))).Distinct())
            .Aggregate(0L, (sum, codec) => sum + Math.Min(codec.Spec.StepsToCreate(codec.Dimension), long.MaxValue - sum));

    /// <summary>Refuses policies of too many specs, wherever they come from.</summary>
    /// <exception cref="ArgumentException">It has too many.</exception>
    public static void RequireFewSpecs(IEnumerable<LayerSpecs> policy)
    {
        int specs = policy.SelectMany(layer => layer.Steps).SelectMany(step => (CodecSpec[])[step.Keys, step.Values]).Distinct().Count();
        if (specs > MostSpecs)
            throw new ArgumentException($"The policy has {specs} different specs; at most {MostSpecs} are possible.", nameof(policy));
    }

    /// <summary>Refuses policies from files whose codecs take too long to make. Whoever writes a spec in code or types it may wait as long as he wants.</summary>
    /// <exception cref="ArgumentException">They take too many steps, or there are too many specs.</exception>
    public static void RequireFewSteps(IReadOnlyList<LayerSpecs> policy, CacheGeometry geometry)
    {
        RequireFewSpecs(policy);
        long steps = Steps(policy, geometry);
        if (steps > MostSteps)
            throw new ArgumentException($"Making the policy's codecs takes {steps} steps; at most {MostSteps} are done for a file.", nameof(policy));
    }
}
