namespace Kvant.Evaluation.Metrics;

/// <summary>The comparisons of all tokens of a text, chunk by chunk. A metric takes one weight by chunk: how often a resample drew it.</summary>
internal sealed class TokenComparisons
{
    private readonly (double Divergence, int Chunk)[] _sorted;

    public TokenComparisons(IReadOnlyList<TokenComparison[]> chunks)
    {
        ByChunk = chunks;
        _sorted = [.. chunks.SelectMany((tokens, chunk) => tokens.Select(t => (t.Divergence, chunk)))];
        Array.Sort(_sorted);
    }

    public IReadOnlyList<TokenComparison[]> ByChunk { get; }

    public int Chunks => ByChunk.Count;

    /// <summary>Every divergence with its chunk, from small to large.</summary>
    public ReadOnlySpan<(double Divergence, int Chunk)> Sorted => _sorted;

    /// <summary>The number of tokens, each counted as often as its chunk.</summary>
    public long Count(ReadOnlySpan<int> weights)
    {
        long count = 0;
        for (int chunk = 0; chunk < weights.Length; chunk++)
            count += (long)weights[chunk] * ByChunk[chunk].Length;
        return count;
    }

    /// <summary>The mean of something over all tokens, each counted as often as its chunk.</summary>
    public double Mean(ReadOnlySpan<int> weights, Func<TokenComparison, double> of)
    {
        double sum = 0;
        for (int chunk = 0; chunk < weights.Length; chunk++)
        {
            if (weights[chunk] > 0)
                sum += weights[chunk] * ByChunk[chunk].Sum(of);
        }

        return sum / Count(weights);
    }
}
