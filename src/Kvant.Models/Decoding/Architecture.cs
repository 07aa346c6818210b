namespace Kvant.Models.Decoding;

/// <summary>What tells the families of models apart. Everything else is the same decoder.</summary>
/// <param name="Name">The name in <c>general.architecture</c>.</param>
/// <param name="RotatesHalves">Whether position turns coordinate i with i + d/2; else 2i with 2i + 1.</param>
/// <param name="HasAttentionBias">Whether queries, keys and values must have a bias; llama's may have one, as any projection may.</param>
/// <param name="NormalizesHeads">Whether each head of queries and keys is normalized before it is turned.</param>
internal sealed record Architecture(string Name, bool RotatesHalves, bool HasAttentionBias, bool NormalizesHeads)
{
    private static readonly Architecture[] s_all =
    [
        new("llama", RotatesHalves: false, HasAttentionBias: false, NormalizesHeads: false),
        new("qwen2", RotatesHalves: true, HasAttentionBias: true, NormalizesHeads: false),
        new("qwen3", RotatesHalves: true, HasAttentionBias: false, NormalizesHeads: true),
    ];

    internal static string Known => string.Join(", ", s_all.Select(static a => $"'{a.Name}'"));

    internal static Architecture? Find(string name) => Array.Find(s_all, a => a.Name == name);
}
