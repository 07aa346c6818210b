using System.Text.Json;
using System.Xml.Linq;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Reports;

public sealed class ModelHtmlReportTests
{
    private static readonly ModelReport s_report = SampleModelReports.Of(
        SampleModelReports.Pair("fp16", "fp16", 2048, 0),
        SampleModelReports.Pair("turboquant:bits=4", "turboquant:bits=4", 600, 1e-5),
        SampleModelReports.Pair("q8", "turboquant:bits=3", 900, 1e-6));

    [Fact]
    public void PageIsWellFormedAndNeedsNothingElse()
    {
        string page = ModelHtmlReport.Render(s_report);
        XElement html = Parse(page);
        foreach (string outside in (string[])["http", "<script", "url("])
            Assert.DoesNotContain(outside, page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
        Assert.Contains(html.Descendants("p"), p => p.Value.StartsWith("In layer 1 (100 %) most of the keys' energy", StringComparison.Ordinal));
        Assert.Contains("0123456789", html.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryPairStandsInPlotAndTablesFromFewBytesToMany()
    {
        XElement html = Parse(ModelHtmlReport.Render(s_report));
        string[] names = ["turboquant 4", "q8 / turboquant 3", "fp16"];
        XElement plot = html.Descendants("svg").Single(e => (string?)e.Attribute("role") == "img");
        Assert.Equal(names.Order(), plot.Descendants("text").Where(e => (string?)e.Attribute("class") == "label").Select(e => e.Value).Order());
        XElement[] tables = [.. html.Descendants("table").Where(t => t.Element("tbody")!.Elements("tr").Count() == 3)];
        Assert.Equal(3, tables.Length);
        Assert.All(tables, t => Assert.Equal(names, t.Element("tbody")!.Elements("tr").Select(r => string.Concat(r.Element("th")!.Nodes().OfType<XText>()).Trim())));
    }

    [Fact]
    public void PartsHaveATableOfTheirOwn()
    {
        Assert.DoesNotContain("keys alone", ModelHtmlReport.Render(s_report), StringComparison.Ordinal);
        Assert.Contains("keys alone", ModelHtmlReport.Render(SampleModelReports.Of(SampleModelReports.Pair("fp16", "fp16", 2048, 1e-5, parts: true))), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ModelHtmlReport.Render(SampleModelReports.Of()));
    }

    [Fact]
    public void NamesAreEscaped()
    {
        string page = ModelHtmlReport.Render(s_report with { Model = s_report.Model with { Name = "<b>\u0001" }, Text = s_report.Text with { Name = "<i>" } });
        Assert.DoesNotContain("<b>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<i>", page, StringComparison.Ordinal);
        Parse(page);
    }

    [Fact]
    public void EveryLineOfJsonIsCompleteInItself()
    {
        string[] lines = [.. EvaluationJson.Lines(s_report)];
        Assert.Equal(3, lines.Length);
        foreach (string line in lines)
        {
            Assert.DoesNotContain('\n', line);
            using var json = JsonDocument.Parse(line);
            Assert.Equal("0123456789abcdef", json.RootElement.GetProperty("commit").GetString());
            Assert.Equal(512, json.RootElement.GetProperty("text").GetProperty("context").GetInt32());
            Assert.Equal(1, json.RootElement.GetProperty("results").GetArrayLength());
        }
    }

    private static XElement Parse(string page) => XElement.Parse(page[page.IndexOf('\n', StringComparison.Ordinal)..]);
}
