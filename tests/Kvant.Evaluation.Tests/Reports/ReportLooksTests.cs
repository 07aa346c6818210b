using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Reports;

public sealed class ReportLooksTests
{
    private static readonly XElement s_page = Parse(HtmlReport.Render(SampleReports.Of(
        SampleReports.Pair("fp16", "fp16", 1024, 1e-9),
        SampleReports.Pair("fp16", "turboquant:bits=3", 700, 1e-4) with { Policy = "mine" },
        SampleReports.Pair("turboquant:bits=3", "turboquant:bits=3", 200, 1e-2),
        SampleReports.Pair("turboquant:bits=4", "turboquant:bits=4", 260, 1e-3))));

    private static readonly string s_css = s_page.Descendants("style").Single().Value;

    [Fact]
    public void LettersOfPlotsHaveNinePixelsOnAPhone()
    {
        XElement plot = s_page.Descendants("svg").Single(e => (string?)e.Attribute("role") == "img");
        double width = Number(((string)plot.Attribute("viewBox")!).Split(' ')[2]);
        double least = Number(Regex.Match(s_css, @"svg\.plot \{ min-width: ([\d.]+)px").Groups[1].Value);
        Assert.Equal("plot", (string?)plot.Attribute("class"));
        Assert.Equal("scroll", (string?)plot.Parent!.Attribute("class"));
        Assert.Contains(".scroll { overflow-x: auto; }", s_css, StringComparison.Ordinal);
        foreach (string style in plot.Elements("text").Select(t => ((string)t.Attribute("class")!).Split(' ')[0]).Distinct())
        {
            double size = Number(Regex.Matches(s_css, $@"\.{style}\b[^{{}}]*\{{[^}}]*font-size: ([\d.]+)px").Last().Groups[1].Value);
            Assert.True(size * Math.Max(least, 390 - 48) / width >= 9, $"{style}: {size} px of a plot of {width} at {least}");
        }
    }

    [Fact]
    public void NamesStayInSightWhereTablesScroll()
    {
        Assert.Matches(@"tr th:first-child \{[^}]*position: sticky; left: 0;[^}]*background:", s_css);
        Assert.DoesNotMatch(@"border-collapse: collapse", s_css); // such borders do not go with what is sticky
        Assert.All(s_page.Descendants("table"), table =>
        {
            Assert.Equal("scroll", (string?)table.Parent!.Attribute("class"));
            Assert.All(table.Descendants("tr"), row => Assert.Equal("th", row.Elements().First().Name));
        });
    }

    [Fact]
    public void LegendNamesEveryMarkOfThePlot()
    {
        XElement figure = s_page.Descendants("figure").Single();
        XElement legend = figure.Elements("ul").Single();
        Assert.Equal(["turboquant", "presets and policies", "fp16", "no smaller one is better"], legend.Elements("li").Select(li => li.Value.Trim()));
        Assert.Equal(
            figure.Descendants("svg").Single(e => (string?)e.Attribute("role") == "img").Elements("path").Select(Shape).Distinct().Order(),
            legend.Descendants("path").Select(Shape).Order());

        static string Shape(XElement mark) => $"{(string)mark.Attribute("class")!} {(string)mark.Attribute("d")!}";
    }

    [Fact]
    public void ColorsLeaveOutWhatIsNotCompressed()
    {
        XElement map = s_page.Descendants("table").Single(t => (string?)t.Attribute("class") == "heat");
        string[][] cells = [.. map.Element("tbody")!.Elements("tr").Select(row => row.Elements("td").Select(c => $"{(string?)c.Attribute("class")} {(string?)c.Attribute("style")}").ToArray())];
        // 0.01 and 0.02, 0.001 and 0.002, 0.0001 and 0.0002, and what is not compressed.
        Assert.Equal(["hot --t:87%", "hot --t:100%"], cells[0]);
        Assert.Equal(["cool --t:43%", "hot --t:57%"], cells[1]);
        Assert.Equal(["cool --t:0%", "cool --t:13%"], cells[2]);
        Assert.Equal(["plain ", "plain "], cells[3]);
        string[] legend = [.. map.Descendants("li").Select(li => li.Value)];
        Assert.Equal([$"{ReportText.Number(1e-4)}\u00A0{ReportText.Number(0.02)} (worst)", "\u00A0lossless, or not compressed: outside the range of colors"], legend);
        Assert.Contains(".heat td.plain", s_css, StringComparison.Ordinal);
    }

    [Fact]
    public void LegendOfColorsSaysNothingOfWhatIsNotThere()
    {
        XElement page = Parse(HtmlReport.Render(SampleReports.Of(SampleReports.Pair("turboquant:bits=3", "turboquant:bits=3", 200, 1e-2))));
        Assert.Single(page.Descendants("table").First().Descendants("li"));
        page = Parse(HtmlReport.Render(SampleReports.Of(SampleReports.Pair("fp32", "fp16", 200, 0))));
        Assert.Contains("not compressed", Assert.Single(page.Descendants("table").First().Descendants("li")).Value, StringComparison.Ordinal);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static XElement Parse(string page) => XElement.Parse(page[page.IndexOf('\n', StringComparison.Ordinal)..]);
}
