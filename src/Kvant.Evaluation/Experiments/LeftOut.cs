namespace Kvant.Evaluation.Experiments;

/// <summary>What a default comparison leaves out because it does not fit the model or the trace.</summary>
/// <param name="Name">The pair of codecs, or the preset.</param>
/// <param name="Reason">Why it does not fit.</param>
internal sealed record LeftOut(string Name, string Reason)
{
    /// <summary>One line for people that names them all; null where there are none.</summary>
    public static string? Describe(IReadOnlyList<LeftOut>? all) =>
        all is { Count: > 0 } ? $"Left out, as they do not fit: {string.Join("; ", all.GroupBy(l => l.Reason).Select(g => $"{string.Join(", ", g.Select(l => l.Name))} ({g.Key})"))}." : null;
}
