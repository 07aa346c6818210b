using Kvant.Caching;
using Kvant.Kernels;

namespace Kvant.Attention;

/// <summary>What every attention over a cache asks of its arguments, wherever it computes, so that all refuse the same in the same words.</summary>
internal static class AttentionArguments
{
    /// <summary>One entry for all layers, or one per layer, each of which suits its shape.</summary>
    /// <exception cref="ArgumentException">They do not suit.</exception>
    public static AttentionSettings[] Settings(CacheGeometry geometry, IReadOnlyList<AttentionSettings> settings)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Count != 1 && settings.Count != geometry.Layers)
            throw new ArgumentException($"There are {settings.Count} settings; there must be 1, or {geometry.Layers}, one per layer.", nameof(settings));
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            geometry[layer].RequireConsistent(layer, geometry);
            settings[settings.Count == 1 ? 0 : layer].RequireHeads(geometry[layer].QueryHeads);
        }

        return [.. settings];
    }

    /// <summary>The lengths of a step of one token of some sequences.</summary>
    /// <param name="shape">Of the layer.</param>
    /// <param name="sequences">How many.</param>
    /// <param name="queries">One token of each.</param>
    /// <param name="outputs">Their length.</param>
    /// <param name="logSumExp">Their length; 0 where they are not wanted.</param>
    /// <param name="sinkQueries">As many; empty for the same.</param>
    /// <exception cref="ArgumentException">One is wrong.</exception>
    public static void RequireStep(LayerGeometry shape, int sequences, TokenRows queries, int outputs, int logSumExp, TokenRows sinkQueries)
    {
        RequireTokens(queries.Count(shape.QueryHeads, shape.KeyDimension, nameof(queries)), sequences, nameof(queries));
        RequireOutputs(shape, sequences, outputs, logSumExp);
        if (!sinkQueries.IsEmpty)
            RequireTokens(sinkQueries.Count(shape.QueryHeads, shape.KeyDimension, nameof(sinkQueries)), sequences, nameof(sinkQueries));
    }

    /// <summary>The lengths of a prompt.</summary>
    /// <param name="shape">Of the layer.</param>
    /// <param name="queries">Of its tokens, and so are keys and values.</param>
    /// <param name="keys">As above.</param>
    /// <param name="values">As above; none where values are part of keys.</param>
    /// <param name="outputs">Their length.</param>
    /// <param name="logSumExp">Their length; 0 where they are not wanted.</param>
    /// <returns>How many tokens there are.</returns>
    /// <exception cref="ArgumentException">One is wrong.</exception>
    public static int RequirePrompt(LayerGeometry shape, TokenRows queries, TokenRows keys, TokenRows values, int outputs, int logSumExp)
    {
        int tokens = queries.Count(shape.QueryHeads, shape.KeyDimension, nameof(queries));
        RequireTokens(keys.Count(shape.KvHeads, shape.KeyDimension, nameof(keys)), tokens, nameof(keys));
        RequireTokens(values.Count(shape.KvHeads, shape.ValueDimension, nameof(values)), shape.ValuesInKeys ? 0 : tokens, nameof(values));
        RequireOutputs(shape, tokens, outputs, logSumExp);
        return tokens;
    }

    /// <summary>Integers and a running maximum would make plausible numbers of what is not finite.</summary>
    /// <exception cref="ArgumentException">A number is NaN or infinite.</exception>
    public static void RequireFinite(ReadOnlySpan<float> rows, int dimension, string name)
    {
        if (Finiteness.All(rows))
            return;
        int i = Finiteness.FirstBad(rows);
        throw new ArgumentException($"{(name.EndsWith("ueries", StringComparison.Ordinal) ? "Query" : $"Row of the {name}")} {i / dimension}, channel {i % dimension} is {rows[i]}; {name} must be finite.", name);
    }

    /// <summary>So many rows of so many numbers.</summary>
    /// <exception cref="ArgumentException">There are more or fewer.</exception>
    public static void RequireLength(int found, long rows, int unit, string name)
    {
        if (found != rows * unit)
            throw new ArgumentException($"The length is {found}; it must be {rows * unit}.", name);
    }

    /// <summary>So many tokens.</summary>
    /// <exception cref="ArgumentException">There are more or fewer.</exception>
    public static void RequireTokens(int found, int wanted, string name)
    {
        if (found != wanted)
            throw new ArgumentException($"There are {found} tokens; there must be {wanted}.", name);
    }

    private static void RequireOutputs(LayerGeometry shape, int tokens, int outputs, int logSumExp)
    {
        RequireLength(outputs, (long)tokens * shape.QueryHeads, shape.ValueDimension, nameof(outputs));
        if (logSumExp != 0)
            RequireLength(logSumExp, tokens, shape.QueryHeads, nameof(logSumExp));
    }
}
