using System.Globalization;
using System.Xml.Linq;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>The error of each pair in each layer, as a table whose cells are colored: read it with eyes or with a screen reader.</summary>
internal static class HeatMap
{
    private const int LayersWithNumbers = 12;

    // Where dark and light text have equal contrast, 4.5 to 1, in both themes.
    private const double HotFrom = 55;

    /// <summary>Draws the table.</summary>
    /// <param name="errorName">What the errors are.</param>
    /// <param name="rows">The pairs.</param>
    public static XElement Draw(string errorName, IReadOnlyList<HeatRow> rows)
    {
        int layers = rows[0].Errors.Count;
        // What is not compressed loses a thousandth of the rest: in the range it would leave one color to all others.
        double[] colored = [.. rows.SelectMany(row => row.Errors.Where(e => row.HasColor(e) && double.IsFinite(e)))];
        LogAxis axis = LogAxis.Around(colored, 1.001, 0, 100);
        return Element(
            "table",
            Class(layers > LayersWithNumbers ? "heat narrow" : "heat"),
            ReportPage.Caption($"By layer: {errorName}. Equal steps of color are equal factors.", Legend(colored, rows.Any(row => !row.Errors.All(row.HasColor)))),
            Element("thead", Element(
                "tr",
                Element("th", Attribute("scope", "col"), "codec"),
                Enumerable.Range(0, layers).Select(layer => Element(
                    "th",
                    Attribute("scope", "col"),
                    layers <= LayersWithNumbers ? $"layer {layer}" : layer.ToString(CultureInfo.InvariantCulture))))),
            Element("tbody", rows.Select(row => Element(
                "tr",
                Element("th", Attribute("scope", "row"), PlotMark.Inline(row.Method), " ", row.Name),
                row.Errors.Select((error, layer) => Cell(axis, row, error, layer, layers))))));
    }

    private static XElement Legend(double[] colored, bool hasPlain) => Element(
        "ul",
        Class("legend"),
        colored.Length == 0 ? null : Element("li", Number(colored.Min()), Element("span", Class("ramp"), "\u00A0"), $"{Number(colored.Max())} (worst)"),
        hasPlain ? Element("li", Element("span", Class("plain"), "\u00A0"), "lossless, or not compressed: outside the range of colors") : null);

    private static XElement Cell(LogAxis axis, HeatRow row, double error, int index, int layers)
    {
        bool hasColor = row.HasColor(error);
        double share = hasColor ? Math.Clamp(axis.Place(error), 0, 100) : 0;
        return Element(
            "td",
            Class(!hasColor ? "plain" : share > HotFrom ? "hot" : "cool"),
            hasColor ? Attribute("style", string.Create(CultureInfo.InvariantCulture, $"--t:{share:0}%")) : null,
            Attribute("title", $"layer {index}: {Number(error)}"),
            layers <= LayersWithNumbers ? Number(error) : "\u00A0");
    }
}
