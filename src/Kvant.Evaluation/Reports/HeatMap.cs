using System.Globalization;
using System.Xml.Linq;
using Kvant.Evaluation.Experiments;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>The error of each pair in each layer, as a table whose cells are colored: read it with eyes or with a screen reader.</summary>
internal static class HeatMap
{
    private const int LayersWithNumbers = 12;

    // Where dark and light text have equal contrast, 4.5 to 1, in both themes.
    private const double HotFrom = 55;

    public static XElement Draw(ReportModel model)
    {
        int layers = model.Report.Trace.Layers;
        LogAxis axis = LogAxis.Around(model.Results.SelectMany(r => r.Layers).Select(model.Error), 1.001, 0, 100);
        return Element(
            "table",
            Class(layers > LayersWithNumbers ? "heat narrow" : "heat"),
            Element("caption", $"By layer: {model.ErrorName}. Darker is worse in the light theme, brighter in the dark one; equal steps are equal factors."),
            Element("thead", Element(
                "tr",
                Element("th", Attribute("scope", "col"), "codec"),
                Enumerable.Range(0, layers).Select(layer => Element(
                    "th",
                    Attribute("scope", "col"),
                    layers <= LayersWithNumbers ? $"layer {layer}" : layer.ToString(CultureInfo.InvariantCulture))))),
            Element("tbody", model.Results.Select((result, i) => Element(
                "tr",
                Element("th", Attribute("scope", "row"), PlotMark.Inline(model.Methods[i]), " ", model.Names[i]),
                result.Layers.Select((layer, l) => Cell(model, axis, layer, l, layers))))));
    }

    private static XElement Cell(ReportModel model, LogAxis axis, LayerResult layer, int index, int layers)
    {
        double error = model.Error(layer);
        double share = error > 0 ? Math.Clamp(axis.Place(error), 0, 100) : 0;
        return Element(
            "td",
            Class(share > HotFrom ? "hot" : "cool"),
            Attribute("style", string.Create(CultureInfo.InvariantCulture, $"--t:{share:0}%")),
            Attribute("title", $"layer {index}: {Number(error)}"),
            layers <= LayersWithNumbers ? Number(error) : "\u00A0");
    }
}
