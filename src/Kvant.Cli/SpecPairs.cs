using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Cli;

/// <summary>Pairs of codecs for keys and values, from the options <c>--codec</c>, <c>--keys</c> and <c>--values</c>.</summary>
internal static class SpecPairs
{
    /// <summary>Puts keys and values together by their places; one of either goes with every one of the other.</summary>
    /// <exception cref="UsageException">They do not go together.</exception>
    public static List<LayerSpecs> Of(CodecSpec[]? both, CodecSpec[]? keys, CodecSpec[]? values)
    {
        (both, keys, values) = (both ?? [], keys ?? [], values ?? []);
        List<LayerSpecs> pairs = [.. both.Select(LayerSpecs.Both)];
        int count = Math.Max(keys.Length, values.Length);
        if (count == 0)
            return pairs;
        if (keys.Length != values.Length && Math.Min(keys.Length, values.Length) != 1)
            throw new UsageException($"there are {keys.Length} --keys and {values.Length} --values; give equally many, or one of the two once");
        for (int i = 0; i < count; i++)
            pairs.Add(new LayerSpecs(keys[keys.Length == 1 ? 0 : i], values[values.Length == 1 ? 0 : i]));
        return pairs;
    }

    /// <summary>The one pair that a cache is compressed with; null where nobody says.</summary>
    /// <param name="both">A codec for keys and values alike, or null.</param>
    /// <param name="keys">A codec for keys, or null.</param>
    /// <param name="values">A codec for values, or null.</param>
    /// <exception cref="UsageException">They do not go together.</exception>
    public static LayerSpecs? One(CodecSpec? both, CodecSpec? keys, CodecSpec? values) => (both, keys, values) switch
    {
        (null, null, null) => null,
        ({ } spec, null, null) => LayerSpecs.Both(spec),
        (null, { } k, { } v) => new LayerSpecs(k, v),
        _ => throw new UsageException("give --codec alone, or --keys and --values together"),
    };
}
