using System.Text;
using System.Xml.Linq;
using Kvant.Formats;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>The frame of a report: one page that needs nothing else and follows the light or dark setting of the reader's system.</summary>
internal static class ReportPage
{
    /// <summary>Stands near the start of every page, so that the tool knows which pages are its own to replace.</summary>
    public const string Marker = "<meta name=\"generator\" content=\"kvant evaluate\"";

    /// <summary>The page as text. Built of XML elements, which escape every text; empty elements that HTML would leave open do not occur.</summary>
    public static string Render(string title, params object?[] content)
    {
        XElement page = Element(
            "html",
            Attribute("lang", "en"),
            Element(
                "head",
                Element("meta", Attribute("charset", "utf-8")),
                Element("meta", Attribute("name", "viewport"), Attribute("content", "width=device-width, initial-scale=1")),
                Element("meta", Attribute("name", "generator"), Attribute("content", "kvant evaluate")),
                Element("title", $"Kvant: {Name(title)}"),
                Element("style", ReportStyle.Css)),
            Element("body", Element("main", content)));
        return "<!DOCTYPE html>\n" + page + "\n";
    }

    /// <summary>Writes a page; the file appears whole or not at all.</summary>
    public static void Write(string path, string page)
    {
        using AtomicFile file = AtomicFile.Create(path);
        file.Stream.Write(Encoding.UTF8.GetBytes(page));
        file.Commit();
    }

    /// <summary>A table or plot that may be wider than the page.</summary>
    public static XElement Wide(XElement content) => Element("div", Class("scroll"), content);

    /// <summary>What a table shows, above it; it stays in sight where the table scrolls beneath it.</summary>
    public static XElement Caption(params object?[] content) => Element("caption", Element("div", content));

    /// <summary>The plot with its legend and its caption.</summary>
    public static XElement Figure(Plot plot, string caption) => Element("figure", PlotLegend.Draw(plot), Wide(ScatterPlot.Draw(plot)), Element("figcaption", caption));
}
