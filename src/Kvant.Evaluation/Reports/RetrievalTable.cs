using System.Globalization;
using System.Xml.Linq;
using Kvant.Evaluation.Retrieval;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>Which share of answers is right, by codec, head dimension and length.</summary>
internal static class RetrievalTable
{
    public static XElement Draw(string caption, IReadOnlyList<RetrievalResult> results, PairMarks marks)
    {
        (int Dimension, int Length)[] columns = [.. results.Select(r => (r.HeadDimension, r.Length)).Distinct()];
        var rows = results.GroupBy(r => (r.Keys, r.Values)).OrderBy(g => g.Max(r => r.BytesPerToken)).ToList();
        bool oneDimension = columns.DistinctBy(c => c.Dimension).Count() == 1;
        return Element(
            "table",
            Class("results"),
            ReportPage.Caption(caption),
            Element("thead", Element(
                "tr",
                Element("th", Attribute("scope", "col"), "keys / values"),
                columns.Select(c => Element("th", Attribute("scope", "col"), $"{Count(c.Length)}\u00A0tokens" + (oneDimension ? "" : $", d\u00A0=\u00A0{c.Dimension.ToString(CultureInfo.InvariantCulture)}"))))),
            Element("tbody", rows.Select(row => Element(
                "tr",
                Head(row.Key.Keys, row.Key.Values, marks),
                columns.Select(c => Cell(row.FirstOrDefault(r => (r.HeadDimension, r.Length) == c)))))));
    }

    private static XElement Head(string keys, string values, PairMarks marks)
    {
        int row = marks.Find(keys, values);
        return Element("th", Attribute("scope", "row"), PlotMark.Inline(marks.Numbers[row]), " ", marks.Names[row], SpecsCell.Of(keys, values));
    }

    // The depths stand under the pointer.
    private static XElement Cell(RetrievalResult? result) => result is null
        ? Element("td", "–")
        : Element(
            "td",
            Attribute("title", "by depth, from the beginning: " + string.Join(", ", result.RightByDepth.Select(share => Fixed(100 * share, 0) + " %"))),
            Fixed(100 * result.Right, 1) + " %");
}
