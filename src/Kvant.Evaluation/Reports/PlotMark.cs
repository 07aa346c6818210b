using System.Globalization;
using System.Xml.Linq;

namespace Kvant.Evaluation.Reports;

/// <summary>One sign per method, told apart by shape and by color, so that either is enough.</summary>
internal static class PlotMark
{
    public const double Radius = 6;

    private static readonly string[] s_shapes =
    [
        "M0,-5.5A5.5,5.5 0 1 1 0,5.5A5.5,5.5 0 1 1 0,-5.5Z", // circle
        "M-5,-5H5V5H-5Z", // square
        "M0,-7L7,0L0,7L-7,0Z", // diamond
        "M0,-6.5L6.5,5H-6.5Z", // triangle
        "M0,6.5L6.5,-5H-6.5Z", // triangle, down
        "M-2,-6.5H2V-2H6.5V2H2V6.5H-2V2H-6.5V-2H-2Z", // plus
        "M-3,-6H3L6.5,0L3,6H-3L-6.5,0Z", // hexagon
        "M0,-7L1.9,-2.2L7,-2.2L3,1.2L4.4,6.2L0,3.2L-4.4,6.2L-3,1.2L-7,-2.2L-1.9,-2.2Z", // star
        "M-6.2,-3.4L-3.4,-6.2L0,-2.8L3.4,-6.2L6.2,-3.4L2.8,0L6.2,3.4L3.4,6.2L0,2.8L-3.4,6.2L-6.2,3.4L-2.8,0Z", // cross
    ];

    /// <summary>The mark of the n-th method at a place.</summary>
    public static XElement Draw(int method, double x, double y, params object?[] content) => ReportText.Element(
        "path",
        ReportText.Class($"mark m{method % ReportStyle.Colors}"),
        ReportText.Attribute("d", s_shapes[method % s_shapes.Length]),
        ReportText.Attribute("transform", string.Create(CultureInfo.InvariantCulture, $"translate({x:0.##} {y:0.##})")),
        content);

    /// <summary>The mark alone, as the table shows it beside a name.</summary>
    public static XElement Inline(int method) => ReportText.Element(
        "svg",
        ReportText.Class("sign"),
        ReportText.Attribute("viewBox", "-8 -8 16 16"),
        ReportText.Attribute("width", "14"),
        ReportText.Attribute("height", "14"),
        ReportText.Attribute("aria-hidden", "true"),
        Draw(method, 0, 0));
}
