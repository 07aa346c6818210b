using Kvant.Codecs;

namespace Kvant.Evaluation.Reports;

/// <summary>Names that are short enough for a plot and still tell the pairs of one report apart.</summary>
internal static class PairNames
{
    /// <summary>The name of a policy; of a pair method and bits, and settings only where two pairs would have the same name.</summary>
    public static string[] For(IEnumerable<(string? Policy, string Keys, string Values)> results)
    {
        (string? Policy, string Keys, string Values)[] all = [.. results];
        Queue<string> pairs = new(For([.. all.Where(r => r.Policy is null).Select(r => (r.Keys, r.Values))]));
        return [.. all.Select(r => r.Policy is { } name ? ReportText.Name(name) : pairs.Dequeue())];
    }

    /// <summary>The method of a result's keys, which chooses its mark; that of policies is the empty text.</summary>
    public static string Method(string? policy, string keys) => policy is null ? CodecSpec.Parse(keys).Method.Name : "";

    private static string[] For((string Keys, string Values)[] results)
    {
        (CodecSpec Keys, CodecSpec Values)[] pairs = [.. results.Select(r => (CodecSpec.Parse(r.Keys), CodecSpec.Parse(r.Values)))];
        string[] names = [.. pairs.Select(p => Join(Short(p.Keys), Short(p.Values)))];
        string[] longer = [.. pairs.Select(p => Join(Long(p.Keys), Long(p.Values)))];
        names = [.. names.Select((name, i) => names.Count(n => n == name) > 1 ? longer[i] : name)];
        return [.. names.Select((name, i) => names.Take(i).Count(n => n == name) is var before and > 0 ? $"{name} ({before + 1})" : name)];
    }

    private static string Join(string keys, string values) => keys == values ? keys : $"{keys} / {values}";

    private static string Short(CodecSpec spec) =>
        spec.Method.Settings.Any(s => s.Name == "bits") ? $"{spec.Method.Name} {spec["bits"]}" : spec.Method.Name;

    private static string Long(CodecSpec spec)
    {
        IEnumerable<string> settings = spec.Method.Settings
            .Where(s => s.Name != "bits" && spec[s.Name] != s.Default)
            .Select(s => s.Choices.Count > 0 && !char.IsDigit(spec[s.Name][0]) ? spec[s.Name] : $"{s.Name} {spec[s.Name]}");
        return string.Join(' ', [Short(spec), .. settings]);
    }
}
