using System.Globalization;
using Kvant.Codecs;

namespace Kvant.Models.Decoding;

/// <summary>How positions turn the queries and keys of some layers: which coordinates together, each pair how fast, and what that does to their length.</summary>
internal sealed record RopeTurns
{
    internal RopeTurns(ModelConfig config, bool halves, float @base, RopeScaling scaling, float[]? factors)
    {
        int dimension = config.HeadDimension;
        Halves = halves;
        Speeds = scaling.Speeds(dimension, @base, factors);
        Magnitude = scaling.Magnitude;
        RotaryEmbedding plain = new() { Base = @base, Pairs = halves ? RotaryPairs.Halves : RotaryPairs.Neighbors };
        // What a ramp does to each pair is a factor of that pair.
        Embedding = scaling.Kept is null
            ? plain with { Divisor = scaling.Divisor, Factors = factors }
            : plain with { Factors = [.. Speeds.Select((speed, i) => (float)Math.Clamp(Math.Pow(@base, -2.0 * i / dimension) / speed, float.Epsilon, float.MaxValue))] };
        Text = string.Create(CultureInfo.InvariantCulture,
            $"rope of {dimension} as {(halves ? "halves" : "neighbors")}, base {@base:R}, divisor {scaling.Divisor:R}{(factors is null ? "" : ", factors of the file")}")
            + (scaling.Kept is { } k ? string.Create(CultureInfo.InvariantCulture, $", yarn of {k.Context} from {k.Fast:R} to {k.Slow:R} turns by {k.Most:R}") : "")
            + (Magnitude == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $", magnitude {Magnitude:R}"));
    }

    /// <summary>Whether coordinate i is turned with i + d/2; else 2i with 2i + 1.</summary>
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
