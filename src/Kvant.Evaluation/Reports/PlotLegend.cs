using System.Xml.Linq;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>What the marks of a plot stand for, above it: the legend wraps where the plot would have to scroll.</summary>
internal static class PlotLegend
{
    public static XElement Draw(Plot plot) => Element(
        "ul",
        Class("legend"),
        plot.Points.Select(p => p.Method).Distinct().Order().Select(method => Element("li", PlotMark.Inline(method), " ", Name(plot.Methods[method]))),
        Element("li", Dots(), " no smaller one is better"));

    private static XElement Dots() => Element(
        "svg",
        Class("sign wide"),
        Attribute("viewBox", "0 0 28 14"),
        Attribute("aria-hidden", "true"),
        Element("line", Class("frontier"), Attribute("x1", 0), Attribute("y1", 7), Attribute("x2", 28), Attribute("y2", 7)));
}
