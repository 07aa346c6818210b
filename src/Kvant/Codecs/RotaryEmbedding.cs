using Kvant.Numerics;

namespace Kvant.Codecs;

/// <summary>
/// How a model's positions turn its keys and queries (Su et al., 2021): channels in pairs, pair i by position times base^(-2i / dimension).
/// A codec that knows it can see what all keys of a head share, though each has been turned to another place.
/// </summary>
/// <remarks>Nothing depends on it being right but how well keys compress.</remarks>
public sealed record RotaryEmbedding
{
    private readonly double _base = 10_000;
    private readonly double _divisor = 1;
    private readonly int _dimension;
    private readonly float[]? _factors;

    /// <summary>The base of the wavelengths, above 0; 10,000 unless said.</summary>
    public double Base { get => _base; init => _base = AboveZero(value, nameof(Base)); }

    /// <summary>Which channels are turned together; halves unless said.</summary>
    public RotaryPairs Pairs { get; init; }

    /// <summary>How many of the first channels are turned, an even number; 0 for all of them.</summary>
    public int Dimension
    {
        get => _dimension;
        init => _dimension = value >= 0 && value % 2 == 0 ? value : throw new ArgumentOutOfRangeException(nameof(Dimension), value, "Channels are turned in pairs: an even number, or 0 for all.");
    }

    /// <summary>What positions are divided by, for models stretched to longer contexts (linear scaling); 1 unless said.</summary>
    public double Divisor { get => _divisor; init => _divisor = AboveZero(value, nameof(Divisor)); }

    /// <summary>What the speed of each pair is divided by besides (Llama 3); null for none.</summary>
    public IReadOnlyList<float>? Factors
    {
        get => _factors;
        init => _factors = value is null || value.All(f => f > 0 && float.IsFinite(f)) ? value?.ToArray() : throw new ArgumentException("Factors are above 0.", nameof(Factors));
    }

    /// <summary>Radians by position of every pair.</summary>
    /// <param name="keyDimension">Numbers in a key.</param>
    /// <exception cref="ArgumentException">More channels are turned than a key has, or there is not one factor for each pair.</exception>
    public double[] Speeds(int keyDimension)
    {
        int turned = Dimension > 0 ? Dimension : keyDimension - (keyDimension % 2);
        if (turned > keyDimension)
            throw new ArgumentException($"{turned} channels are turned; a key has {keyDimension}.", nameof(keyDimension));
        if (_factors is not null && _factors.Length != turned / 2)
            throw new ArgumentException($"There are {_factors.Length} factors; {turned / 2} pairs are turned.", nameof(keyDimension));
        double[] speeds = new double[turned / 2];
        for (int i = 0; i < speeds.Length; i++)
        {
            // Rows are whole numbers, so whole turns do not matter. What is no number turns nothing.
            double speed = PortableMath.Exp(-2.0 * i / turned * PortableMath.Log(Base)) / Divisor / (_factors?[i] ?? 1) % Math.Tau;
            speeds[i] = double.IsFinite(speed) ? speed : 0;
        }

        return speeds;
    }

    /// <summary>Whether two turn alike.</summary>
    public bool Equals(RotaryEmbedding? other) => other is not null && (Base, Pairs, Dimension, Divisor) == (other.Base, other.Pairs, other.Dimension, other.Divisor)
        && (_factors ?? []).AsSpan().SequenceEqual(other._factors ?? []);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Base, Pairs, Dimension, Divisor, _factors?.Length);

    private static double AboveZero(double value, string name) => value > 0 && double.IsNormal(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, "A number above 0 is wanted.");
}
