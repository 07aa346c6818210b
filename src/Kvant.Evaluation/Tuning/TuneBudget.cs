namespace Kvant.Evaluation.Tuning;

/// <summary>What a policy may cost, or lose: one of the three.</summary>
internal sealed record TuneBudget
{
    private TuneBudget()
    {
    }

    /// <summary>Bits by number of the compressed body, keys and values of all layers together; or null.</summary>
    public double? BitsPerValue { get; private init; }

    /// <summary>Bytes by token of the compressed body, all layers and heads; or null.</summary>
    public double? BytesPerToken { get; private init; }

    /// <summary>The median divergence of next-token probabilities that may be lost on the held-out part, in nats; or null.</summary>
    public double? MaxDivergence { get; private init; }

    /// <summary>So many bits by number at most.</summary>
    public static TuneBudget OfBits(double bits) => new() { BitsPerValue = Positive(bits) };

    /// <summary>So many bytes by token at most.</summary>
    public static TuneBudget OfBytes(double bytes) => new() { BytesPerToken = Positive(bytes) };

    /// <summary>The fewest bytes that lose no more than this.</summary>
    public static TuneBudget OfDivergence(double divergence) => new() { MaxDivergence = Positive(divergence) };

    private static double Positive(double value) => value > 0 && double.IsFinite(value)
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "A budget is a number above 0.");
}
