using System.Globalization;
using System.Xml.Linq;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>Bytes per token against error, one mark per pair: the lower left corner is where one wants to be.</summary>
internal static class ScatterPlot
{
    /// <summary>The size of the smallest letters of the plot in units of its own, and what they have at least on a screen, in CSS pixels.</summary>
    public const double FontSize = 12, ReadableSize = 9;

    /// <summary>The least width at which the plot can be read, in CSS pixels: where there is less, it scrolls.</summary>
    public const double LeastWidth = Width * ReadableSize / FontSize;

    private const double Width = 980, Height = 560;

    private static readonly Box s_frame = new(78, 16, 964, 492);
    private static readonly double[] s_bits = [0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32];

    public static XElement Draw(Plot plot)
    {
        IReadOnlyList<PlotPoint> points = plot.Points;
        double[] errors = [.. points.Select(p => p.Error)];
        bool hasZero = errors.Any(e => e == 0);
        // What lost nothing has no place on a logarithmic axis: a strip of its own below it.
        double floor = s_frame.Bottom - (hasZero ? 44 : 0);
        var x = LogAxis.Around(points.Select(p => p.Bytes), 1.13, s_frame.Left, s_frame.Right);
        var y = LogAxis.Around(errors, 1.8, floor, s_frame.Top);
        (double X, double Y)[] places = [.. points.Select(p => (x.Place(p.Bytes), p.Error > 0 ? y.Place(Math.Min(p.Error, y.Maximum)) : s_frame.Bottom - 20))];
        (double X, double Y)[] frontier = Frontier(places, errors);
        return Element(
            "svg",
            Class("plot"),
            Attribute("viewBox", $"0 0 {Width} {Height}"),
            Attribute("role", "img"),
            Attribute("aria-labelledby", $"{plot.Id}-title {plot.Id}-description"),
            Element("title", Attribute("id", $"{plot.Id}-title"), $"Bytes per token against {plot.ErrorName}"),
            Element("desc", Attribute("id", $"{plot.Id}-description"), Describe(plot)),
            Grid(x, y, plot, hasZero, floor),
            frontier.Length < 2 ? null : Element("polyline", Class("frontier"), Attribute("points", string.Join(' ', frontier.Select(p =>
                string.Create(CultureInfo.InvariantCulture, $"{p.X:0.##},{p.Y:0.##}"))))),
            Marks(plot, places, frontier));
    }

    private static string Describe(Plot plot) =>
        $"Scatter plot with {plot.Points.Count} marks, both axes logarithmic. " + string.Join(" ", plot.Points.Select(p =>
            $"{p.Name}: {Bytes(p.Bytes)} bytes, {Number(p.Error)}."));

    private static IEnumerable<XElement> Grid(LogAxis x, LogAxis y, Plot plot, bool hasZero, double floor)
    {
        double last = double.NegativeInfinity;
        foreach (double bits in s_bits.Where(b => x.Holds(b * plot.BytesPerBit)))
        {
            double place = x.Place(bits * plot.BytesPerBit);
            if (place < last + 48)
                continue;
            last = place;
            yield return Line("grid", place, s_frame.Top, place, s_frame.Bottom);
            yield return Text("tick", place, s_frame.Bottom + 18, "middle", Bytes(bits * plot.BytesPerBit));
            yield return Text("tick faint", place, s_frame.Bottom + 33, "middle", bits.ToString("0.#", CultureInfo.InvariantCulture) + " bits");
        }

        for (int decade = (int)Math.Floor(Math.Log10(y.Minimum)); decade <= Math.Ceiling(Math.Log10(y.Maximum)); decade++)
        {
            for (int digit = 1; digit < 10; digit++)
            {
                double value = digit * Math.Pow(10, decade);
                if (!y.Holds(value))
                    continue;
                yield return Line(digit == 1 ? "grid" : "grid minor", s_frame.Left, y.Place(value), s_frame.Right, y.Place(value));
                if (digit == 1 || (digit is 2 or 5 && y.Maximum / y.Minimum < 200))
                    yield return Text("tick", s_frame.Left - 8, y.Place(value) + 4, "end", Tick(value));
            }
        }

        if (hasZero)
        {
            yield return Line("axis", s_frame.Left, floor, s_frame.Right, floor);
            yield return Text("tick", s_frame.Left - 8, s_frame.Bottom - 16, "end", "0");
        }

        yield return Line("axis", s_frame.Left, s_frame.Bottom, s_frame.Right, s_frame.Bottom);
        yield return Line("axis", s_frame.Left, s_frame.Top, s_frame.Left, s_frame.Bottom);
        yield return Text("caption", (s_frame.Left + s_frame.Right) / 2, Height - 10, "middle", plot.SizeName);
        XElement caption = Text("caption", 0, 0, "middle", plot.ErrorName);
        caption.SetAttributeValue("transform", string.Create(CultureInfo.InvariantCulture, $"translate(16 {(s_frame.Top + s_frame.Bottom) / 2}) rotate(-90)"));
        yield return caption;
    }

    /// <summary>The places of the pairs that no smaller one beats, from few bytes to many.</summary>
    private static (double X, double Y)[] Frontier((double X, double Y)[] places, double[] errors)
    {
        // To the nearest unit of the plot: a few bytes of state more make no pair smaller.
        var best = new List<int>();
        foreach (int i in Enumerable.Range(0, places.Length).OrderBy(i => Math.Round(places[i].X)).ThenBy(i => errors[i]))
        {
            if (best.Count == 0 || errors[i] < errors[best[^1]])
                best.Add(i);
        }

        return [.. best.Select(i => places[i])];
    }

    private static IEnumerable<XElement> Marks(Plot plot, (double X, double Y)[] places, (double X, double Y)[] frontier)
    {
        Box[] labels = LabelPlacer.Place(places, [.. plot.Points.Select(p => p.Name)], s_frame, frontier);
        for (int i = 0; i < places.Length; i++)
        {
            (double x, double y) = labels[i].Nearest(places[i].X, places[i].Y);
            if (Math.Abs(x - places[i].X) + Math.Abs(y - places[i].Y) > PlotMark.Radius + 8)
                yield return Line("leader", places[i].X, places[i].Y, x, y);
        }

        for (int i = 0; i < places.Length; i++)
        {
            PlotPoint point = plot.Points[i];
            string tip = $"{point.Label}: {Bytes(point.Bytes)} bytes per token, {Number(point.Error)}";
            yield return PlotMark.Draw(point.Method, places[i].X, places[i].Y, Element("title", tip));
            yield return Text("label", (labels[i].Left + labels[i].Right) / 2, labels[i].Bottom - 4, "middle", point.Name);
        }
    }

    private static XElement Line(string style, double x1, double y1, double x2, double y2) => Element(
        "line", Class(style), Attribute("x1", x1), Attribute("y1", y1), Attribute("x2", x2), Attribute("y2", y2));

    private static XElement Text(string style, double x, double y, string anchor, string text) => Element(
        "text", Class(style), Attribute("x", x), Attribute("y", y), Attribute("text-anchor", anchor), text);
}
