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
        Marks = new PairMarks(Results.Select(r => (r.Policy, r.Keys, r.Values)));
    }

    public TraceReport Report { get; }

    /// <summary>From few bytes to many.</summary>
    public IReadOnlyList<PairResult> Results { get; }

    /// <summary>Names and marks of the results, in their order.</summary>
    public PairMarks Marks { get; }

    public bool HasQueries { get; }

    public string ErrorName => HasQueries ? "attention divergence, median (nats)" : "key error (nMSE)";

    public Plot Plot => new(
        "plot",
        Marks.Methods,
        [.. Results.Select((r, i) => new PlotPoint(Marks.Names[i], r.Label, Marks.Numbers[i], r.BytesPerToken, Error(r)))],
        Results[0].BytesPerToken / Results[0].BitsPerValue, "bytes per token, whole model (below: bits per number)", ErrorName);

    public IReadOnlyList<HeatRow> Layers =>
        [.. Results.Select((r, i) => new HeatRow(Marks.Names[i], Marks.Numbers[i], ResultSpecs.ArePlain(r.Keys, r.Values), [.. r.Layers.Select(Error)]))];

    private double Error(PairResult result) => HasQueries ? result.AttentionKl!.Median : result.KeyNmse;

    private double Error(LayerResult layer) => HasQueries ? layer.AttentionKl!.Median : layer.KeyNmse;
}
