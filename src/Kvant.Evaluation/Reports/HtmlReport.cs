using Kvant.Evaluation.Experiments;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>
/// An experiment as one page that needs nothing else: a plot of size against error, the error by layer, all numbers, and
/// what they mean. It follows the light or dark setting of the reader's system.
/// </summary>
internal static class HtmlReport
{
    internal const string PlotCaption = "Down and to the left is better. The dotted line joins the pairs that no smaller one beats. "
        + "A mark stands for the method of the keys; where two names stand, the first is of the keys and the second of the values.";

    /// <summary>Writes the page; the file appears whole or not at all.</summary>
    /// <param name="path">Where; a file that is there is replaced.</param>
    /// <param name="report">What to show.</param>
    /// <exception cref="ArgumentException">The report has no results.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, TraceReport report) => ReportPage.Write(path, Render(report));

    /// <summary>The page as text.</summary>
    /// <param name="report">What to show.</param>
    /// <exception cref="ArgumentException">The report has no results.</exception>
    public static string Render(TraceReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.Results.Count == 0)
            throw new ArgumentException("The report has no results; at least one is wanted.", nameof(report));
        var model = new ReportModel(report);
        return ReportPage.Render(
            report.Trace.Name,
            Element("h1", "What each codec costs and what it loses"),
            Element("p", Class("facts"), Facts(report)),
            ReportPage.Figure(model.Plot, PlotCaption),
            Element("h2", "Where it is lost"),
            ReportPage.Wide(HeatMap.Draw(model.ErrorName, model.Layers)),
            Element("h2", "All numbers"),
            ReportPage.Wide(ResultTable.Draw(model)),
            LeftOut.Describe(report.Results[0].LeftOut) is { } leftOut ? Element("p", Name(leftOut)) : null,
            Element("h2", "What the numbers mean"),
            Meaning(model.HasQueries).Select(text => Element("p", text)),
            Element("h2", "Run it again"),
            Element("p", "On the trace that ships with Kvant, and on a trace and codecs of your own:"),
            Element(
                "pre",
                "dotnet run -c Release --project src/Kvant.Cli -- evaluate samples/data/mini-trace.safetensors --report report.html\n"
                + "kvant evaluate TRACE.safetensors --keys SPEC --values SPEC --report report.html"));
    }

    private static string Facts(TraceReport report)
    {
        TraceInfo t = report.Trace;
        string queries = t.QueryHeads > 0 ? $"{Count(t.QueryHeads)} query heads, " : "no queries, ";
        return $"Trace {Name(t.Name)}: {Count(t.Layers)} layers, {Count(t.KvHeads)} key-value heads, {queries}{Count(t.Tokens)} tokens, "
            + $"dimension {(t.KeyDimension == t.ValueDimension ? Count(t.KeyDimension) : $"{Count(t.KeyDimension)} / {Count(t.ValueDimension)}")}. "
            + $"Kvant {Name(report.Version)}, {Name(report.Machine.Architecture)}, {report.Machine.Processors} processors, {report.Machine.VectorBits}-bit vectors.";
    }

    private static IEnumerable<string> Meaning(bool hasQueries)
    {
        yield return "Every key and value of the trace was encoded and decoded again. Bytes per token count everything that is stored for all "
            + "layers and heads: codes, scales, zero points, what a codec chose from the data, and the rows at the end that fill no block, "
            + "which stay in 16-bit floats. The ratio is against 16-bit floats.";
        yield return "nMSE is the energy of the error divided by the energy of the numbers: 0 is exact, 1 is what a decoder that returns zeros has.";
        if (!hasQueries)
        {
            yield return "The trace holds no queries, so what attention makes of the errors could not be measured, and the error of the keys is "
                + "shown in its place. It overrates errors that all keys share, which the softmax does not see.";
            yield break;
        }

        yield return "Attention was then computed causally, each query over all tokens up to its own, once over the exact and once over the decoded "
            + "keys and values. Logit RMSE is the error of the scaled dot products. KL is the divergence of the decoded attention weights "
            + "from the exact ones, in nats, over all layers, heads and queries but the first, which sees one token only; judge by its median, and by its 99th percentile for the rare bad case. "
            + "Top-1 is the share of queries whose largest weight stays on the same token. Output error is the energy of the error of the "
            + "attention outputs divided by their energy; it is the only attention number in which the values count.";
    }
}
