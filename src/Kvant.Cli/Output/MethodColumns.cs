using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Speed;

namespace Kvant.Cli.Output;

/// <summary>How tables name what they compare: a pair by its codecs, a policy by its name, and its codecs below the table. JSON has them in other fields.</summary>
internal static class MethodColumns
{
    /// <summary>The two columns.</summary>
    /// <param name="method">The name of the policy, or null, and the full texts of the codecs.</param>
    public static IEnumerable<Column<TRow>> Of<TRow>(Func<TRow, (string? Policy, string Keys, string Values)> method) =>
    [
        Column<TRow>.OfSpec("", "keys", row => method(row) is var (policy, keys, _) ? policy ?? CodecSpec.Parse(keys).ToString() : ""),
        Column<TRow>.OfSpec("", "values", row => method(row) is (null, _, var values) ? CodecSpec.Parse(values).ToString() : ""),
    ];

    /// <summary>One line for each policy.</summary>
    public static void WritePolicies(Terminal terminal, IEnumerable<(string? Policy, string Keys, string Values)> methods)
    {
        (string? Policy, string Keys, string Values)[] named = [.. methods.Where(m => m.Policy is not null)];
        foreach ((string? policy, string keys, string values) in named)
            terminal.Out.WriteLine($"{policy}: {ResultSpecs.Short(keys, values)}");
        if (named.Length > 0 && Processor.Note is { } note)
            terminal.Out.WriteLine(note);
    }
}
