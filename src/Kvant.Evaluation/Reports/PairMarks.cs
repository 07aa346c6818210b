namespace Kvant.Evaluation.Reports;

/// <summary>The names and marks of everything that one page shows, so that a pair has the same in every plot and table.</summary>
internal sealed class PairMarks
{
    private readonly (string Keys, string Values)[] _specs;

    /// <param name="results">The rows, first those whose places are asked for (<see cref="Names"/>), then all others on the page.</param>
    public PairMarks(IEnumerable<(string? Policy, string Keys, string Values)> results)
    {
        (string? Policy, string Keys, string Values)[] all = [.. results];
        string[] keys = [.. all.Select(r => PairNames.Method(r.Policy, r.Keys))];
        string[] methods = [.. keys.Distinct()];
        _specs = [.. all.Select(r => (r.Keys, r.Values))];
        Names = PairNames.For(all);
        Numbers = [.. keys.Select(key => Array.IndexOf(methods, key))];
        Methods = [.. methods.Select(method => method.Length > 0 ? method : "presets and policies")];
    }

    /// <summary>By row: its short name.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>By row: the number of its keys' method, by first appearance; it chooses the mark.</summary>
    public IReadOnlyList<int> Numbers { get; }

    /// <summary>By number: the method's name, for a legend.</summary>
    public IReadOnlyList<string> Methods { get; }

    /// <summary>The first row that has these specs; it must be there.</summary>
    public int Find(string keys, string values) => Array.IndexOf(_specs, (keys, values));
}
