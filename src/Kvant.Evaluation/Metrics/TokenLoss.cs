namespace Kvant.Evaluation.Metrics;

/// <summary>What a compressed cache changes in what a model says next, over all tokens of a text, each against the exact cache.</summary>
internal sealed record TokenLoss
{
    /// <summary>The exponential of the mean negative logarithm of the true token's probability.</summary>
    public Estimate Perplexity { get; init; }

    /// <summary>Perplexity divided by that of the exact cache: 1 is no loss.</summary>
    public Estimate PerplexityRatio { get; init; }

    /// <summary>Mean divergence KL(exact | compressed) of the next-token probabilities, in nats.</summary>
    public Estimate DivergenceMean { get; init; }

    /// <summary>The median divergence, in nats.</summary>
    public Estimate DivergenceMedian { get; init; }

    /// <summary>99 % of the tokens diverge less, in nats.</summary>
    public Estimate DivergenceP99 { get; init; }

    /// <summary>99.9 % of the tokens diverge less, in nats.</summary>
    public Estimate DivergenceP999 { get; init; }

    /// <summary>The largest divergence, in nats.</summary>
    public Estimate DivergenceMaximum { get; init; }

    /// <summary>The share of tokens whose most likely successor stays the same.</summary>
    public Estimate Top1 { get; init; }

    /// <summary>The root mean square change of the true token's probability.</summary>
    public Estimate TrueTokenChange { get; init; }

    /// <summary>Computes every metric and, by the same resamples of whole chunks, its standard error.</summary>
    /// <param name="tokens">What was seen.</param>
    internal static TokenLoss Of(TokenComparisons tokens)
    {
        var bootstrap = new Bootstrap(tokens.Chunks);
        return new TokenLoss
        {
            Perplexity = bootstrap.Estimate(w => LikelihoodMetrics.Perplexity(tokens, w)),
            PerplexityRatio = bootstrap.Estimate(w => LikelihoodMetrics.PerplexityRatio(tokens, w)),
            DivergenceMean = bootstrap.Estimate(w => DivergenceMetrics.Mean(tokens, w)),
            DivergenceMedian = bootstrap.Estimate(w => DivergenceMetrics.Percentile(tokens, w, 0.5)),
            DivergenceP99 = bootstrap.Estimate(w => DivergenceMetrics.Percentile(tokens, w, 0.99)),
            DivergenceP999 = bootstrap.Estimate(w => DivergenceMetrics.Percentile(tokens, w, 0.999)),
            DivergenceMaximum = bootstrap.Estimate(w => DivergenceMetrics.Percentile(tokens, w, 1)),
            Top1 = bootstrap.Estimate(w => TopTokenAgreement.Share(tokens, w)),
            TrueTokenChange = bootstrap.Estimate(w => LikelihoodMetrics.TrueTokenChange(tokens, w)),
        };
    }
}
