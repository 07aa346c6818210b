using System.Xml;
using System.Xml.Linq;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Reports;

public sealed class HtmlReportTests
{
    // The elements that HTML closes by itself; all others must have content or an end tag, or a browser leaves them open.
    private static readonly string[] s_void = ["meta", "path", "line", "polyline", "wbr"];

    private static readonly TraceReport s_report = SampleReports.Of(
        SampleReports.Pair("fp32", "fp32", 2048, 0),
        SampleReports.Pair("fp16", "fp16", 1024, 1e-9),
        SampleReports.Pair("fp16", "fp32", 1536, 1e-10));

    [Fact]
    public void PageIsWellFormedAndNeedsNothingElse()
    {
        string page = HtmlReport.Render(s_report);
        XElement html = Parse(page);
        Assert.Equal("html", html.Name);
        Assert.DoesNotContain("http", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("url(", page, StringComparison.OrdinalIgnoreCase);
        Assert.All(html.Descendants().Where(e => e.IsEmpty), e => Assert.Contains(e.Name.LocalName, s_void));
        Assert.DoesNotContain('&', html.Descendants("style").Single().Value);
        Assert.DoesNotContain('<', html.Descendants("style").Single().Value);
    }

    [Fact]
    public void EveryPairStandsInPlotMapAndTable()
    {
        XElement html = Parse(HtmlReport.Render(s_report));
        XElement plot = html.Descendants("svg").Single(e => (string?)e.Attribute("role") == "img");
        string[] names = ["fp16", "fp16 / fp32", "fp32"]; // from few bytes to many
        Assert.Equal(names, plot.Descendants("text").Where(e => (string?)e.Attribute("class") == "label").Select(e => e.Value).Order());
        Assert.Equal(3, plot.Descendants("path").Count());
        foreach (XElement table in html.Descendants("table"))
            Assert.Equal(names, table.Element("tbody")!.Elements("tr").Select(r => string.Concat(r.Element("th")!.Nodes().OfType<XText>()).Trim()));
    }

    [Fact]
    public void PlotHasTitleAndDescription()
    {
        XElement plot = Parse(HtmlReport.Render(s_report)).Descendants("svg").Single(e => (string?)e.Attribute("role") == "img");
        string[] ids = ((string)plot.Attribute("aria-labelledby")!).Split(' ');
        Assert.Equal(ids, plot.Elements().Take(2).Select(e => (string)e.Attribute("id")!));
        Assert.Contains("fp16 / fp32", plot.Element("desc")!.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void NamesAreEscaped()
    {
        const string name = "<b>&\"evil\"</b>\u0001\uD800";
        TraceReport report = s_report with { Trace = s_report.Trace with { Name = name } };
        string page = HtmlReport.Render(report);
        Assert.DoesNotContain("<b>", page, StringComparison.Ordinal);
        Assert.Contains("<b>&\"evil\"</b>\uFFFD\uFFFD", Parse(page).Element("body")!.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void TraceWithoutQueriesShowsTheKeyError()
    {
        string page = HtmlReport.Render(SampleReports.Of(SampleReports.Pair("fp16", "fp16", 1024, 1e-3, queries: false)));
        Assert.Contains("key error (nMSE)", page, StringComparison.Ordinal);
        Assert.DoesNotContain("KL median", page, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(1e-12)]
    public void OneResultOfAnySizeCanBeDrawn(double error)
    {
        string page = HtmlReport.Render(SampleReports.Of(SampleReports.Pair("fp16", "fp16", 1024, error)));
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
        Parse(page);
    }

    [Fact]
    public void ManyLayersBecomeCellsWithoutNumbers()
    {
        TraceReport report = SampleReports.Of(SampleReports.Pair("fp16", "fp16", 1024, 1e-3, layers: 80));
        report = report with { Trace = report.Trace with { Layers = 80 } };
        XElement map = Parse(HtmlReport.Render(report)).Descendants("table").First();
        Assert.Equal(80, map.Descendants("td").Count());
        Assert.All(map.Descendants("td"), cell => Assert.Equal("\u00A0", cell.Value));
        Assert.Equal("layer 79: 0.0800", (string?)map.Descendants("td").Last().Attribute("title"));
    }

    [Fact]
    public void FileIsReplacedAndReportWithoutResultsIsRefused()
    {
        string path = Path.Combine(Path.GetTempPath(), $"kvant-report-{Guid.NewGuid():N}.html");
        try
        {
            File.WriteAllText(path, "old");
            Assert.Throws<ArgumentException>(() => HtmlReport.Write(path, SampleReports.Of()));
            Assert.Equal("old", File.ReadAllText(path));
            HtmlReport.Write(path, s_report);
            Assert.Equal(HtmlReport.Render(s_report), File.ReadAllText(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(0.0, "0")]
    [InlineData(0.066, "0.0660")]
    [InlineData(0.00123456, "0.00123")]
    [InlineData(9.3e-5, "9.3e-5")]
    [InlineData(1.5, "1.50")]
    [InlineData(123.4, "123")]
    [InlineData(4560.0, "4.6e3")]
    [InlineData(double.PositiveInfinity, "∞")]
    public void NumbersHaveThreeDigits(double value, string wanted) => Assert.Equal(wanted, ReportText.Number(value));

    private static XElement Parse(string page)
    {
        using var reader = XmlReader.Create(new StringReader(page), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader);
    }
}
