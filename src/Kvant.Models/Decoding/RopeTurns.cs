using System.Globalization;
using Kvant.Codecs;

namespace Kvant.Models.Decoding;

/// <summary>How positions turn the queries and keys of some layers: which coordinates together, each pair how fast, and what that does to their length.</summary>
internal sealed record RopeTurns
{
    /// <summary>How layers with a window turn, where they do so in their own way.</summary>
    internal static RopeTurns? OfWindows(ModelConfig config, Architecture family) =>
        config.WindowRopeBase is { } @base ? new RopeTurns(config, family.RotatesHalves, @base, config.Scaling.OfWindows(), null) : null;

    /// <summary>Reads what a file says, tensors too.</summary>
    internal static RopeTurns Read(TensorSet tensors, ModelConfig config, Architecture family)
    {
        const string Freqs = "rope_freqs.weight", Long = "rope_factors_long.weight", Short = "rope_factors_short.weight";
        int pairs = config.RopeDimension / 2;
        float[]? factors = tensors.FactorsIf(tensors.Has(Freqs), Freqs, pairs);
        string source = "factors of the file";
        if (family.HasLongFactors && (tensors.Has(Long) || tensors.Has(Short)))
        {
            float[]? forLong = tensors.FactorsIf(true, Long, pairs), forShort = tensors.FactorsIf(true, Short, pairs);
            (factors, source) = config.ContextLength > config.Scaling.FirstContext ? (forLong, "long factors of the file") : (forShort, "short factors of the file");
        }
        return new RopeTurns(config, family.RotatesHalves, config.RopeBase, config.Scaling, factors, source);
    }

    /// <summary>Works the speeds out.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="halves">See <see cref="Halves"/>.</param>
    /// <param name="base">The base of the wavelengths.</param>
    /// <param name="scaling">What stretched the model.</param>
    /// <param name="factors">What the speed of each pair is divided by besides; null for nothing.</param>
    /// <param name="source">Where the factors are from, in words.</param>
    private RopeTurns(ModelConfig config, bool halves, float @base, RopeScaling scaling, float[]? factors, string source = "factors of the file")
    {
        int dimension = config.RopeDimension;
        Dimension = config.HeadDimension;
        Halves = halves;
        Speeds = scaling.Speeds(dimension, @base, factors);
        Magnitude = scaling.Magnitude;
        RotaryEmbedding plain = new() { Base = @base, Dimension = dimension == Dimension ? 0 : dimension, Pairs = halves ? RotaryPairs.Halves : RotaryPairs.Neighbors };
        // What a ramp does to each pair is a factor of that pair.
        Embedding = scaling.Kept is null
            ? plain with { Divisor = scaling.Divisor, Factors = factors }
            : plain with { Factors = [.. Speeds.Select((speed, i) => (float)Math.Clamp(Math.Pow(@base, -2.0 * i / dimension) / speed, float.Epsilon, float.MaxValue))] };
        Text = string.Create(CultureInfo.InvariantCulture,
            $"rope of {dimension}{(dimension == Dimension ? "" : $" of {Dimension}")} as {(halves ? "halves" : "neighbors")}, base {@base:R}, divisor {scaling.Divisor:R}{(factors is null ? "" : $", {source}")}")
            + (scaling.Kept is { } k ? string.Create(CultureInfo.InvariantCulture, $", yarn of {k.Context} from {k.Fast:R} to {k.Slow:R} turns by {k.Most:R}") : "")
            + (Magnitude == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $", magnitude {Magnitude:R}"));
    }

    /// <summary>How many coordinates a head has; those behind the pairs are left alone.</summary>
    public int Dimension { get; }

    /// <summary>Whether coordinate i is turned with i + d/2, where d are turned; else 2i with 2i + 1.</summary>
    public bool Halves { get; }

    /// <summary>Radians by position of every pair.</summary>
    public double[] Speeds { get; }

    /// <summary>What turned vectors are multiplied by.</summary>
    public float Magnitude { get; }

    /// <summary>The same for a cache's codecs, which do not ask for the length.</summary>
    public RotaryEmbedding Embedding { get; }

    /// <summary>The same in words, which tell two models apart whose keys do not fit each other.</summary>
    public string Text { get; }
}
