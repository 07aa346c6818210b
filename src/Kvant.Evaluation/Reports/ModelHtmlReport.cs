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
        string[] names = PairNames.For(report.Results.Select(r => (r.Policy, r.Keys, r.Values)));
        string[] known = [.. report.Results.Select(r => PairNames.Method(r.Policy, r.Keys)).Distinct()];
        int[] methods = [.. report.Results.Select(r => Array.IndexOf(known, PairNames.Method(r.Policy, r.Keys)))];
        var plot = new Plot(
            [.. report.Results.Select((r, i) => new PlotPoint(names[i], r.Label, methods[i], r.BytesPerToken, r.Loss.DivergenceMedian.Value))],
            report.Results[0].BytesPerToken * report.Results[0].Ratio / 16,
            $"bytes per token of the whole cache at {Count(report.Text.Context)} tokens (bits per number)",
            "divergence of next-token probabilities, median (nats)");
        return ReportPage.Render(
            report.Model.Name,
            Element("h1", "What each cache costs and what it does to the model"),
            Element("p", Class("facts"), Facts(report)),
            ReportPage.Figure(plot, HtmlReport.PlotCaption),
            Element("h2", "What the model says"),
            ReportPage.Wide(ModelTables.Losses(report, names, methods)),
            LeftOut.Describe(report.Results[0].LeftOut) is { } leftOut ? Element("p", Name(leftOut)) : null,
            Element("h2", "What the cache takes, and how fast the model is"),
            ReportPage.Wide(ModelTables.Sizes(report, names, methods)),
            report.Parts ? new[] { Element("h2", "Keys alone, values alone"), ReportPage.Wide(ModelTables.Parts(report, names, methods)) } : null,
            report.Retrieval is { } found
                ? new[] { Element("h2", "What is found again"), ReportPage.Wide(RetrievalTable.Draw("Share of right answers of a model written by formula that looks one token of the text up (docs/retrieval.md); it does not depend on the model above.", found)) }
                : null,
            report.Passkeys is { } keys
                ? new[] { Element("h2", "Passkeys"), ReportPage.Wide(RetrievalTable.Draw("Share of numbers that this model finds again in a text; lengths at which it finds none with an fp32 cache say nothing of codecs.", keys)) }
                : null,
            Element("h2", "Where the loss begins"),
            ReportPage.Wide(HeatMap.Draw("error of the attention output, energy over energy", [.. report.Results.Select((r, i) => (names[i], methods[i], r.LayerErrors))])),
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
    }

    private static string Facts(ModelReport report)
    {
        ModelInfo m = report.Model;
        return $"Model {Name(m.Name)} ({Name(m.Architecture)}): {Count(m.Layers)} layers, {Count(m.QueryHeads)} query heads, {Count(m.KeyValueHeads)} key-value heads of {Count(m.HeadDimension)}, "
            + $"{Count(m.Vocabulary)} tokens. Text {Name(report.Text.Name)}: {Count(report.Text.Chunks)} × {Count(report.Text.Context)} of {Count(report.Text.Tokens)} tokens. "
            + $"{Count(report.Sinks)} sinks and a window of {Count(report.Window)} in 16-bit floats, the same for all. "
            + string.Create(CultureInfo.InvariantCulture, $"Perplexity {report.ExactPerplexity:0.###} with an fp32 cache. ")
            + $"Kvant {Name(report.Version)}{(report.Commit is { } commit ? $" ({Name(commit[..Math.Min(10, commit.Length)])})" : "")}, {Name(report.Machine.Architecture)}, {report.Machine.Processors} processors, "
            + $"{report.Machine.VectorBits}-bit vectors; at most {Count(report.PeakMemory >> 20)} MiB of memory.";
    }
}
