using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Reports;

public sealed class EvaluationJsonTests
{
    [Fact]
    public void PairsHaveTheFieldsOfTheTool()
    {
        using var json = JsonDocument.Parse(EvaluationJson.Serialize([SampleReports.Pair("fp32", "fp16", 512, 0.25)]));
        JsonElement row = Assert.Single(json.RootElement.EnumerateArray());
        Assert.Equal(
            ["keys", "values", "bytesPerToken", "bitsPerValue", "ratio", "keyNmse", "valueNmse", "logitRmse", "attentionKl", "top1", "outputError", "layers"],
            row.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["mean", "median", "p99"], row.GetProperty("attentionKl").EnumerateObject().Select(p => p.Name));
        Assert.Equal(("fp32", "fp16"), (row.GetProperty("keys").GetString(), row.GetProperty("values").GetString()));
        Assert.Equal((512, 0.25), (row.GetProperty("bytesPerToken").GetDouble(), row.GetProperty("attentionKl").GetProperty("median").GetDouble()));
        Assert.Equal(2, row.GetProperty("layers").GetArrayLength());
    }

    [Fact]
    public void WithoutQueriesAttentionFieldsAreLeftOut()
    {
        using var json = JsonDocument.Parse(EvaluationJson.Serialize([SampleReports.Pair("fp16", "fp16", 512, 0.25, queries: false)]));
        Assert.Equal(
            ["keys", "values", "bytesPerToken", "bitsPerValue", "ratio", "keyNmse", "valueNmse", "layers"],
            json.RootElement[0].EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public void VectorsHaveTheFieldsOfTheTool()
    {
        VectorResult result = new VectorMeasurement { Repetitions = 0 }.Run([1, 2, 3, 4], 2, CodecSpec.Parse("fp16"));
        using var json = JsonDocument.Parse(EvaluationJson.Serialize([result]));
        Assert.Equal(
            ["codec", "rows", "dimension", "bytesPerRow", "bitsPerValue", "nmse", "cosine", "innerProductBias", "innerProductRmse", "encodeRowsPerSecond"],
            json.RootElement[0].EnumerateObject().Select(p => p.Name));
        Assert.All(json.RootElement[0].EnumerateObject().Skip(1), p => Assert.Equal(JsonValueKind.Number, p.Value.ValueKind));
    }

    [Fact]
    public void NumbersThatAreNotFiniteAreNull()
    {
        VectorResult result = new VectorMeasurement { Repetitions = 0 }.Run([1, 2, 3, 4], 2, CodecSpec.Parse("fp16")) with { Nmse = double.PositiveInfinity, Cosine = double.NaN };
        using var json = JsonDocument.Parse(EvaluationJson.Serialize([result]));
        Assert.Equal(JsonValueKind.Null, json.RootElement[0].GetProperty("nmse").ValueKind);
        Assert.Equal(JsonValueKind.Null, json.RootElement[0].GetProperty("cosine").ValueKind);
        TraceReport report = SampleReports.Of(SampleReports.Pair("fp16", "fp16", 512, 1) with { KeyNmse = double.PositiveInfinity });
        Assert.Equal(double.NaN, EvaluationJson.ParseReport(EvaluationJson.Serialize(report)).Results[0].KeyNmse);
    }

    [Fact]
    public void ReportSurvivesTheRoundTrip()
    {
        TraceReport report = SampleReports.Of(SampleReports.Pair("fp16", "fp16", 512, 1e-9), SampleReports.Pair("fp32", "fp16", 768, 0));
        string json = EvaluationJson.Serialize(report);
        TraceReport again = EvaluationJson.ParseReport(json);
        Assert.Equal(json, EvaluationJson.Serialize(again));
        Assert.Equal((report.Machine, report.Trace, report.Version), (again.Machine, again.Trace, again.Version));
        Assert.Throws<JsonException>(() => EvaluationJson.ParseReport("null"));
        Assert.Throws<JsonException>(() => EvaluationJson.ParseReport("{}"));
    }

    [Fact]
    public void RunRecordsVersionAndMachine()
    {
        TraceReport report = new TraceExperiment { Source = Synthetic.Trace(), Pairs = [LayerSpecs.Parse("fp16")] }.Run();
        Assert.Matches(@"^\d+\.\d+\.\d+", report.Version);
        Assert.Equal(Environment.ProcessorCount, report.Machine.Processors);
        Assert.Contains(report.Machine.VectorBits, new[] { 0, 128, 256, 512 });
        Assert.Equal(new TraceInfo("synthetic", 2, 2, 4, 20, 8, 6), report.Trace);
    }
}
