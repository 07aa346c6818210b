using System.Globalization;
using System.Xml.Linq;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>The tables of the page about a model.</summary>
internal static class ModelTables
{
    public static XElement Losses(ModelReport report, PairMarks marks) => Table(
        $"Against {(report.Against is null ? "the same model with an fp32 cache" : report.Baseline)}; from few bytes to many.", report, marks, true,
        ("bits", r => Fixed(r.BitsPerValue, 2)),
        ("KL median", r => WithError(r.Loss.DivergenceMedian)),
        ("KL 99\u00A0%", r => WithError(r.Loss.DivergenceP99)),
        ("top-1", r => Share(r.Loss.Top1)),
        ("perplexity", r => Change(r.Loss.PerplexityRatio)),
        ("Δp", r => WithError(r.Loss.TrueTokenChange)),
        ("KL mean", r => WithError(r.Loss.DivergenceMean)),
        ("KL 99.9\u00A0%", r => WithError(r.Loss.DivergenceP999)),
        ("KL max", r => Number(r.Loss.DivergenceMaximum.Value)));

    public static XElement Sizes(ModelReport report, PairMarks marks) => Table(
        $"Everything counted. With an fp32 cache: {Rate(report.ExactSpeed.PrefillTokensPerSecond)} tokens/s of prefill, {Rate(report.ExactSpeed.DecodeTokensPerSecond)} of decode.", report, marks, false,
        ($"bytes\u00A0/\u00A0token at {Count(report.Text.Context)}", r => Bytes(r.BytesPerToken)),
        ("bits", r => Fixed(r.BitsPerValue, 2)),
        ("×\u00A0smaller than fp16", r => Fixed(r.Ratio, 2) + "×"),
        ($"bytes\u00A0/\u00A0token at {Count(report.LongContext)}", r => Bytes(r.LongBytesPerToken)),
        ("bits", r => Fixed(r.LongBitsPerValue, 2)),
        ("×\u00A0smaller than fp16", r => Fixed(r.LongRatio, 2) + "×"),
        ("body bits", r => Fixed(r.BodyBitsPerValue, 2)),
        ("prefill tokens\u00A0/\u00A0s", r => Rate(r.Speed.PrefillTokensPerSecond)),
        ("decode tokens\u00A0/\u00A0s", r => Rate(r.Speed.DecodeTokensPerSecond)),
        ("first other token", FirstOther));

    public static XElement Parts(ModelReport report, PairMarks marks) => Table(
        "Median divergence with both compressed, with keys alone (values fp32), and with values alone (keys fp32).", report, marks, false,
        ("both", r => WithError(r.Loss.DivergenceMedian)),
        ("keys alone", r => r.KeysOnly is { } loss ? WithError(loss.DivergenceMedian) : "–"),
        ("values alone", r => r.ValuesOnly is { } loss ? WithError(loss.DivergenceMedian) : "–"));

    public static XElement KeyMeans(ModelReport report) => Element(
        "table",
        Class("results"),
        ReportPage.Caption("Share of the keys' energy in their mean, by layer."),
        Element("thead", Element("tr", Element("th", Attribute("scope", "col"), "layer"), report.KeyMeanShares.Select((_, layer) => Element("th", Attribute("scope", "col"), layer.ToString(CultureInfo.InvariantCulture))))),
        Element("tbody", Element("tr", Element("th", Attribute("scope", "row"), "share"), report.KeyMeanShares.Select(share => Element("td", Fixed(100 * share, 1) + " %")))));

    private static XElement Table(
        string caption, ModelReport report, PairMarks marks, bool specs, params (string Title, Func<ModelResult, object> Cell)[] columns) => Element(
            "table",
            Class("results"),
            ReportPage.Caption(caption),
            Element("thead", Element(
                "tr",
                Element("th", Attribute("scope", "col"), "keys / values"),
                columns.Select(c => Element("th", Attribute("scope", "col"), c.Title)))),
            Element("tbody", report.Results.Select((result, i) => Element(
                "tr",
                Element("th", Attribute("scope", "row"), PlotMark.Inline(marks.Numbers[i]), " ", marks.Names[i], specs ? SpecsCell.Of(result.Keys, result.Values) : null),
                columns.Select(c => Element("td", c.Cell(result)))))));

    private static object?[] WithError(Estimate estimate) => [Number(estimate.Value), Spread(estimate.StandardError is { } e ? Number(e) : null)];

    private static object?[] Share(Estimate estimate) => [$"{Fixed(100 * estimate.Value, 2)} %", Spread(estimate.StandardError is { } e ? Fixed(100 * e, 2) : null)];

    private static object?[] Change(Estimate ratio)
    {
        string text = NumberText.Fixed(100 * (ratio.Value - 1), "+0.000;-0.000");
        return [$"{text} %", Spread(ratio.StandardError is { } e ? Fixed(100 * e, 3) : null)];
    }

    private static XElement? Spread(string? error) => error is null ? null : Element("small", "±", error);

    private static string Rate(double value) => Count((long)Math.Round(value));

    private static string FirstOther(ModelResult result) => string.Join(", ", result.GreedyDifferences.Select(same => same is { } before ? Count(before + 1) : "none"));
}
