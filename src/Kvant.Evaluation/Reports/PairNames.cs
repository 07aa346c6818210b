using Kvant.Codecs;

namespace Kvant.Evaluation.Reports;

/// <summary>Names that are short enough for a plot and still tell the pairs of one report apart.</summary>
internal static class PairNames
{
    /// <summary>Method and bits; settings only where two pairs would have the same name.</summary>
    public static string[] For(IReadOnlyList<(string Keys, string Values)> results)
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
