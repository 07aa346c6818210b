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
    /// <param name="rows">Name, number of the method and error by layer of each pair.</param>
    public static XElement Draw(string errorName, IReadOnlyList<(string Name, int Method, IReadOnlyList<double> Errors)> rows)
    {
        int layers = rows[0].Errors.Count;
        LogAxis axis = LogAxis.Around(rows.SelectMany(r => r.Errors), 1.001, 0, 100);
        return Element(
            "table",
            Class(layers > LayersWithNumbers ? "heat narrow" : "heat"),
            Element("caption", $"By layer: {errorName}. Darker is worse in the light theme, brighter in the dark one; equal steps are equal factors."),
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
                row.Errors.Select((error, layer) => Cell(axis, error, layer, layers))))));
    }

    private static XElement Cell(LogAxis axis, double error, int index, int layers)
    {
        double share = error > 0 ? Math.Clamp(axis.Place(error), 0, 100) : 0;
        return Element(
            "td",
            Class(share > HotFrom ? "hot" : "cool"),
            Attribute("style", string.Create(CultureInfo.InvariantCulture, $"--t:{share:0}%")),
            Attribute("title", $"layer {index}: {Number(error)}"),
            layers <= LayersWithNumbers ? Number(error) : "\u00A0");
    }
}
