using System.Text.Json;
using System.Xml.Linq;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Retrieval;
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
        Assert.All(Plots(html), plot => Assert.Equal(names.Order(), plot.Descendants("text").Where(e => (string?)e.Attribute("class") == "label").Select(e => e.Value).Order()));
        XElement[] tables = [.. html.Descendants("table").Where(t => t.Element("tbody")!.Elements("tr").Count() == 3)];
        Assert.Equal(3, tables.Length);
        Assert.All(tables, t => Assert.Equal(names, t.Element("tbody")!.Elements("tr").Select(NameOf)));
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

    [Fact]
    public void PlotAtTheLongContextIsAnotherOneUnlessTheTextIsThatLong()
    {
        XElement html = Parse(ModelHtmlReport.Render(s_report));
        XElement[] plots = Plots(html);
        Assert.Equal(2, plots.Length);
        Assert.Contains("600 bytes", plots[0].Element("desc")!.Value, StringComparison.Ordinal);
        Assert.Contains("300 bytes", plots[1].Element("desc")!.Value, StringComparison.Ordinal);
        string[] ids = [.. html.Descendants().Attributes("id").Select(a => a.Value)];
        Assert.Equal(ids.Distinct(), ids);
        Assert.All(plots, p => Assert.All(((string)p.Attribute("aria-labelledby")!).Split(' '), id => Assert.Contains(id, p.Elements().Attributes("id").Select(a => a.Value))));
        Assert.Single(Plots(Parse(ModelHtmlReport.Render(s_report with { LongContext = s_report.Text.Context }))));
    }

    [Fact]
    public void BitsAreThoseOfTheWholeCacheInTablesAndPlots()
    {
        XElement html = Parse(ModelHtmlReport.Render(SampleModelReports.Of(SampleModelReports.Pair("q8", "q8", 1024, 1e-5) with { BodyBitsPerValue = 3.21 })));
        Assert.Equal(["8.00"], Column(html, "What the model says", "bits"));
        Assert.Equal(["8.00", "4.00"], Column(html, "What the cache takes, and how fast the model is", "bits"));
        Assert.Equal(["3.21"], Column(html, "What the cache takes, and how fast the model is", "body bits"));
        Assert.All(Plots(html).Zip(["8 bits", "4 bits"]), p => Assert.Contains(p.Second, p.First.Elements("text").Select(t => t.Value)));
    }

    [Fact]
    public void ChangeOfTheTrueTokenStandsBeforeWhatMattersLess()
    {
        XElement html = Parse(ModelHtmlReport.Render(s_report));
        string[] titles = [.. Table(html, "What the model says").Descendants("th").Select(h => h.Value)];
        Assert.InRange(Array.IndexOf(titles, "Δp"), 1, Array.IndexOf(titles, "KL mean") - 1);
        Assert.Equal(["1.0e-5", "1.0e-6", "0"], Column(html, "What the model says", "Δp"));
    }

    [Fact]
    public void RetrievalHasTheNamesAndMarksOfTheRest()
    {
        ModelReport report = SampleModelReports.Of(
            SampleModelReports.Pair("turboquant:bits=2,code=trellis", "turboquant:bits=2", 500, 1e-5) with { Policy = "tiny" },
            SampleModelReports.Pair("q8", "turboquant:bits=3", 900, 1e-6));
        report = report with { Retrieval = [Found("fp32", "fp32", 900), .. report.Results.Select(r => Found(r.Keys, r.Values, 100))], Passkeys = [Found("q8", "turboquant:bits=3", 5)] };
        XElement html = Parse(ModelHtmlReport.Render(report));
        XElement[] rows = [.. Table(html, "What is found again").Element("tbody")!.Elements("tr")];
        Assert.Equal(["tiny", "q8 / turboquant 3", "fp32"], rows.Select(NameOf));
        Assert.Equal(["q8 / turboquant 3"], Table(html, "Passkeys").Element("tbody")!.Elements("tr").Select(NameOf));
        string[] Marks(string heading) => [.. Table(html, heading).Element("tbody")!.Elements("tr").Select(r => (string)r.Descendants("path").First().Attribute("class")!)];
        Assert.Equal(Marks("What the model says"), Marks("What is found again")[..2]);
        Assert.Equal(3, Marks("What is found again").Distinct().Count());

        static RetrievalResult Found(string keys, string values, double bytes) => new() { Keys = keys, Values = values, HeadDimension = 64, Length = 1024, BytesPerToken = bytes, RightByDepth = [1, .5] };
    }

    private static XElement[] Plots(XElement html) => [.. html.Descendants("svg").Where(e => (string?)e.Attribute("role") == "img")];

    /// <summary>The first table behind a heading.</summary>
    private static XElement Table(XElement html, string heading) => html.Descendants("h2").Single(h => h.Value == heading).ElementsAfterSelf().First().Descendants("table").Single();

    /// <summary>The cells, without standard errors, of all columns with a title.</summary>
    private static IEnumerable<string> Column(XElement html, string heading, string title) => Table(html, heading).Element("tbody")!.Elements("tr").SelectMany(row =>
        Table(html, heading).Descendants("tr").First().Elements().Zip(row.Elements()).Where(c => c.First.Value == title).Select(c => string.Concat(c.Second.Nodes().OfType<XText>())));

    private static string NameOf(XElement row) => string.Concat(row.Element("th")!.Nodes().OfType<XText>()).Trim();

    private static XElement Parse(string page) => XElement.Parse(page[page.IndexOf('\n', StringComparison.Ordinal)..]);
}
