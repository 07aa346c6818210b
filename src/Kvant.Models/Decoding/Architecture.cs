namespace Kvant.Models.Decoding;

/// <summary>What tells the families of models apart. Everything else is the same decoder.</summary>
/// <param name="Name">The name in <c>general.architecture</c>.</param>
internal sealed record Architecture(string Name)
{
    private static readonly Architecture[] s_all =
    [
        new("llama") { RotatesHalves = false },
        new("qwen2") { HasAttentionBias = true },
        new("qwen3") { NormalizesHeads = true },
        new("phi3") { FusesProjections = true, RotatesParts = true, HasLongFactors = true, WindowPeriod = 0 },
    ];

    /// <summary>Whether position turns coordinate i with i + d/2; else 2i with 2i + 1.</summary>
    public bool RotatesHalves { get; private init; } = true;

    /// <summary>Whether position may turn only the first coordinates of a head.</summary>
    public bool RotatesParts { get; private init; }

    /// <summary>Whether a file may have two lists of factors for the speeds of pairs: for short contexts and for long ones (LongRoPE).</summary>
    public bool HasLongFactors { get; private init; }

    /// <summary>Whether queries, keys and values must have a bias; llama's may have one, as any projection may.</summary>
    public bool HasAttentionBias { get; private init; }

    /// <summary>Whether each head of queries and keys is normalized before it is turned.</summary>
    public bool NormalizesHeads { get; private init; }

    /// <summary>Whether queries, keys and values are rows of one matrix, and gate and up of another.</summary>
    public bool FusesProjections { get; private init; }

    /// <summary>Which layers have a sliding window, where the file has one: all but each so-manieth, all where 0; null where nobody knows.</summary>
    public int? WindowPeriod { get; private init; }

    internal static string Known => string.Join(", ", s_all.Select(static a => $"'{a.Name}'"));

    internal static Architecture? Find(string name) => Array.Find(s_all, a => a.Name == name);
}
