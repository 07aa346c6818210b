using Kvant.Evaluation.Experiments;

namespace Kvant.Evaluation.Reports;

/// <summary>A report's results in the order in which they are shown, with the names, marks and error that all parts share.</summary>
internal sealed class ReportModel
{
    public ReportModel(TraceReport report)
    {
        Report = report;
        HasQueries = report.Results.All(r => r.AttentionKl is not null);
        Results = [.. report.Results.OrderBy(r => r.BytesPerToken).ThenBy(r => Error(r))];
        Names = PairNames.For(Results.Select(r => (r.Policy, r.Keys, r.Values)));
        string[] methods = [.. report.Results.Select(Method).Distinct()];
        Methods = [.. Results.Select(r => Array.IndexOf(methods, Method(r)))];
    }

    public TraceReport Report { get; }

    /// <summary>From few bytes to many.</summary>
    public IReadOnlyList<PairResult> Results { get; }

    public string[] Names { get; }

    /// <summary>The number of each pair's key method, by first appearance in the report: it chooses the mark.</summary>
    public int[] Methods { get; }

    public bool HasQueries { get; }

    public string ErrorName => HasQueries ? "attention divergence, median (nats)" : "key error (nMSE)";

    public Plot Plot => new(
        [.. Results.Select((r, i) => new PlotPoint(Names[i], r.Label, Methods[i], r.BytesPerToken, Error(r)))],
        Results[0].BytesPerToken / Results[0].BitsPerValue, "bytes per token, whole model (bits per number)", ErrorName);

    public IReadOnlyList<(string Name, int Method, IReadOnlyList<double> Errors)> Layers =>
        [.. Results.Select((r, i) => (Names[i], Methods[i], (IReadOnlyList<double>)[.. r.Layers.Select(Error)]))];

    private double Error(PairResult result) => HasQueries ? result.AttentionKl!.Median : result.KeyNmse;

    private double Error(LayerResult layer) => HasQueries ? layer.AttentionKl!.Median : layer.KeyNmse;

    private static string Method(PairResult result) => PairNames.Method(result.Policy, result.Keys);
}
