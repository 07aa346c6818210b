using System.Globalization;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>An experiment on a language model as one page: size against divergence, every number with its standard error, the error by layer.</summary>
internal static class ModelHtmlReport
{
    /// <summary>Writes the page; the file appears whole or not at all.</summary>
    /// <param name="path">Where; a file that is there is replaced.</param>
    /// <param name="report">What to show.</param>
    /// <exception cref="ArgumentException">The report has no results.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, ModelReport report) => ReportPage.Write(path, Render(report));

    /// <summary>The page as text.</summary>
    /// <param name="report">What to show.</param>
    /// <exception cref="ArgumentException">The report has no results.</exception>
    public static string Render(ModelReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.Results.Count == 0)
            throw new ArgumentException("The report has no results; at least one is wanted.", nameof(report));
        report = report with { Results = [.. report.Results.OrderBy(r => r.BytesPerToken).ThenBy(r => r.Loss.DivergenceMedian.Value)] };
        PairMarks marks = MarksOf(report);
        return ReportPage.Render(
            report.Model.Name,
            Element("h1", "What each cache costs and what it does to the model"),
            Element("p", Class("facts"), Facts(report)),
            ReportPage.Figure(PlotAt("plot", report.Text.Context, r => r.BytesPerToken, r => r.BitsPerValue), HtmlReport.PlotCaption),
            report.LongContext == report.Text.Context ? null : ReportPage.Figure(
                PlotAt("plot-long", report.LongContext, r => r.LongBytesPerToken, r => r.LongBitsPerValue),
                $"The same caches at {Count(report.LongContext)} tokens, where sinks, window and rows that wait for a block no longer count for much. Their sizes are worked out to the byte; the divergence is that of {Count(report.Text.Context)} tokens, as above."),
            Element("h2", "What the model says"),
            ReportPage.Wide(ModelTables.Losses(report, marks)),
            LeftOut.Describe(report.Results[0].LeftOut) is { } leftOut ? Element("p", Name(leftOut)) : null,
            Element("h2", "What the cache takes, and how fast the model is"),
            ReportPage.Wide(ModelTables.Sizes(report, marks)),
            report.Parts ? new[] { Element("h2", "Keys alone, values alone"), ReportPage.Wide(ModelTables.Parts(report, marks)) } : null,
            report.Retrieval is { } found
                ? new[] { Element("h2", "What is found again"), ReportPage.Wide(RetrievalTable.Draw("Share of right answers of a model written by formula that looks one token of the text up (docs/retrieval.md); it does not depend on the model above.", found, marks)) }
                : null,
            report.Passkeys is { } keys
                ? new[] { Element("h2", "Passkeys"), ReportPage.Wide(RetrievalTable.Draw("Share of numbers that this model finds again in a text; lengths at which it finds none with an fp32 cache say nothing of codecs.", keys, marks)) }
                : null,
            Element("h2", "Where the loss begins"),
            ReportPage.Wide(HeatMap.Draw("error of the attention output, energy over energy", [.. report.Results.Select((r, i) => new HeatRow(marks.Names[i], marks.Numbers[i], ResultSpecs.ArePlain(r.Keys, r.Values), r.LayerErrors))])),
            Element("h2", "What keys share"),
            ReportPage.Wide(ModelTables.KeyMeans(report)),
            ModelText.KeyMeans(report).Select(text => Element("p", text)),
            Element("h2", "What the numbers mean"),
            ModelText.Meaning(report).Select(text => Element("p", text)),
            Element("h2", "Run it again"),
            Element("p", "On the model that ships with Kvant, and on a model, a text and codecs of your own:"),
            Element(
                "pre",
                "dotnet run -c Release --project src/Kvant.Cli -- evaluate --report report.html\n"
                + "kvant evaluate --model MODEL.gguf --text FILE --context N --keys SPEC --values SPEC --report report.html"));

        Plot PlotAt(string id, int tokens, Func<ModelResult, double> bytes, Func<ModelResult, double> bits) => new(
            id,
            marks.Methods,
            [.. report.Results.Select((r, i) => new PlotPoint(marks.Names[i], r.Label, marks.Numbers[i], bytes(r), r.Loss.DivergenceMedian.Value))],
            bytes(report.Results[0]) / bits(report.Results[0]),
            $"bytes per token of the whole cache at {Count(tokens)} tokens (below: bits per number)",
            "divergence of next-token probabilities, median (nats)");
    }

    // What was looked up or hidden may hold pairs that no result has, and no policies' names.
    private static PairMarks MarksOf(ModelReport report)
    {
        IEnumerable<(string? Policy, string Keys, string Values)> results = report.Results.Select(r => (r.Policy, r.Keys, r.Values));
        return new PairMarks(results.Concat((report.Retrieval ?? []).Concat(report.Passkeys ?? []).Select(r => (r.Keys, r.Values)).Distinct()
            .Except(report.Results.Select(r => (r.Keys, r.Values))).Select(r => ((string?)null, r.Keys, r.Values))));
    }

    private static string Facts(ModelReport report)
    {
        ModelInfo m = report.Model;
        return $"Model {Name(m.Name)} ({Name(m.Architecture)}): {Count(m.Layers)} layers, {Count(m.QueryHeads)} query heads, {Count(m.KeyValueHeads)} key-value heads of {Count(m.HeadDimension)}, "
            + $"{Count(m.Vocabulary)} tokens. Text {Name(report.Text.Name)}: {Count(report.Text.Chunks)} × {Count(report.Text.Context)} of {Count(report.Text.Tokens)} tokens. "
            + $"{Count(report.Sinks)} sinks and a window of {Count(report.Window)} in 16-bit floats, the same for all. "
            + string.Create(CultureInfo.InvariantCulture, $"Perplexity {report.ExactPerplexity:0.###} with {report.Baseline}. ")
            + $"Kvant {Name(report.Version)}{(report.Commit is { } commit ? $" ({Name(commit[..Math.Min(10, commit.Length)])})" : "")}, {Name(report.Machine.Architecture)}, {report.Machine.Processors} processors, "
            + $"{report.Machine.VectorBits}-bit vectors; at most {Count(report.PeakMemory >> 20)} MiB of memory.";
    }
}
