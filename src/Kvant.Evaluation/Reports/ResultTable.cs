using System.Xml.Linq;
using Kvant.Evaluation.Experiments;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>All numbers of all pairs, from few bytes to many.</summary>
internal static class ResultTable
{
    private static readonly (string Title, Func<PairResult, string> Text, bool NeedsQueries)[] s_columns =
    [
        ("bytes\u00A0/\u00A0token", r => Bytes(r.BytesPerToken), false),
        ("bits", r => Fixed(r.BitsPerValue, 2), false),
        ("ratio", r => Fixed(r.Ratio, 2) + "×", false),
        ("key nMSE", r => Number(r.KeyNmse), false),
        ("value nMSE", r => Number(r.ValueNmse), false),
        ("logit RMSE", r => Number(r.LogitRmse), true),
        ("KL median", r => Number(r.AttentionKl?.Median), true),
        ("KL mean", r => Number(r.AttentionKl?.Mean), true),
        ("KL 99\u00A0%", r => Number(r.AttentionKl?.P99), true),
        ("top-1", r => Fixed((r.Top1 ?? 1) * 100, 1) + " %", true),
        ("output error", r => Number(r.OutputError), true),
    ];

    public static XElement Draw(ReportModel model)
    {
        var columns = s_columns.Where(c => model.HasQueries || !c.NeedsQueries).ToList();
        return Element(
            "table",
            Class("results"),
            ReportPage.Caption("All numbers, from few bytes to many. Bytes, and bits by number, count everything that is stored."),
            Element("thead", Element(
                "tr",
                Element("th", Attribute("scope", "col"), "keys / values"),
                columns.Select(c => Element("th", Attribute("scope", "col"), c.Title)))),
            Element("tbody", model.Results.Select((result, i) => Element(
                "tr",
                Element("th", Attribute("scope", "row"), PlotMark.Inline(model.Marks.Numbers[i]), " ", model.Marks.Names[i], SpecsCell.Of(result.Keys, result.Values)),
                columns.Select(c => Element("td", c.Text(result)))))));
    }
}
