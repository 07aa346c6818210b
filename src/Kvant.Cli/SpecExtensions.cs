using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;

namespace Kvant.Cli;

/// <summary>Questions about a spec.</summary>
internal static class SpecExtensions
{
    /// <summary>Whether the method takes rows of this dimension, and so many rows fill at least one block.</summary>
    public static bool Takes(this CodecSpec spec, int rows, int dimension, CodecRole role = CodecRole.Rows) => spec.Misfit(rows, dimension, role) is null;

    /// <summary>Why it does not; null where it does.</summary>
    public static string? Misfit(this CodecSpec spec, int rows, int dimension, CodecRole role = CodecRole.Rows)
    {
        try
        {
            int fewest = spec.FewestRows(dimension, role);
            return fewest <= rows ? null : $"it needs at least {fewest} tokens";
        }
        catch (ArgumentException e)
        {
            // Which codec and which dimension the reader knows.
            string sentence = Failures.Sentence(e);
            int reason = sentence.IndexOf(": ", StringComparison.Ordinal);
            return sentence.StartsWith('\'') && reason >= 0 ? sentence[(reason + 2)..] : sentence;
        }
    }

    /// <summary>Why a pair does not fit a cache of these dimensions and so many rows; null where it does.</summary>
    public static string? Misfit(this LayerSpecs pair, int rows, int keyDimension, int valueDimension) =>
        pair.Keys.Misfit(rows, keyDimension, CodecRole.Keys) ?? pair.Values.Misfit(rows, valueDimension, CodecRole.Values);

    /// <summary>Why a preset does not fit; null where it does.</summary>
    public static string? Misfit(this CachePreset preset, int rows, int keyDimension, int valueDimension) =>
        new LayerSpecs(preset.Keys, preset.Values).Misfit(rows, keyDimension, valueDimension);

    /// <summary>Those of a default comparison that fit; the others go to a list, with their reasons.</summary>
    public static List<T> Fitting<T>(this IEnumerable<T> all, Func<T, string?> misfit, List<LeftOut> leftOut, Func<T, string>? name = null)
        where T : notnull
    {
        List<T> fitting = [];
        foreach (T one in all)
        {
            if (misfit(one) is { } reason)
                leftOut.Add(new LeftOut(name is null ? one.ToString()! : name(one), reason));
            else
                fitting.Add(one);
        }

        return fitting;
    }

    /// <summary>How many rows it takes for the first block; fewer stay in 16-bit floats.</summary>
    /// <exception cref="ArgumentException">The method does not take the dimension.</exception>
    public static int FewestRows(this CodecSpec spec, int dimension, CodecRole role)
    {
        Codec codec = spec.CreateCodec(dimension, role);
        return Math.Max(codec.CalibrationRows, codec.RowsPerBlock);
    }
}
