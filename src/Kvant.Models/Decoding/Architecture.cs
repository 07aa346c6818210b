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
        new("qwen3moe") { NormalizesHeads = true, HasExperts = true },
        new("phi3") { FusesProjections = true, RotatesParts = true, HasLongFactors = true, WindowPeriod = 0 },
        new("gemma3")
        {
            NormalizesHeads = true, NormalizesOutputs = true, ScalesEmbeddings = true, HasGelu = true, CapsLogits = true,
            WindowPeriod = 6, WindowRopeBase = 10_000, LayersOfScaleByWidth = 62,
        },
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

    /// <summary>Whether what attention and feed-forward parts give is normalized, too, before it is added.</summary>
    public bool NormalizesOutputs { get; private init; }

    /// <summary>Whether embeddings are multiplied by the root of their width.</summary>
    public bool ScalesEmbeddings { get; private init; }

    /// <summary>Whether gates are GELU (by tanh; Hendrycks and Gimpel, 2016), else SiLU.</summary>
    public bool HasGelu { get; private init; }

    /// <summary>Whether a file may have a soft limit for logits.</summary>
    public bool CapsLogits { get; private init; }

    /// <summary>Whether queries, keys and values are rows of one matrix, and gate and up of another.</summary>
    public bool FusesProjections { get; private init; }

    /// <summary>Whether feed-forward parts are experts, of which each token goes through a few.</summary>
    public bool HasExperts { get; private init; }

    /// <summary>Which layers have a sliding window, where the file has one: all but each so-manieth, all where 0; null where nobody knows.</summary>
    public int? WindowPeriod { get; private init; }

    /// <summary>The base of the wavelengths in layers with a window, unless a file says another; null where they turn as all others.</summary>
    public float? WindowRopeBase { get; private init; }

    /// <summary>The number of layers that tells the one model of the family whose scores are divided by the root of width / heads, not of the heads' dimension
    /// (Gemma 3 with 27 thousand million weights), as llama.cpp tells it; no file says so.</summary>
    public int? LayersOfScaleByWidth { get; private init; }

    internal static string Known => string.Join(", ", s_all.Select(static a => $"'{a.Name}'"));

    internal static Architecture? Find(string name) => Array.Find(s_all, a => a.Name == name);
}
