using System.Text.Json;
using System.Text.Json.Serialization;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Retrieval;

namespace Kvant.Evaluation.Reports;

/// <summary>Results as JSON: camelCase names, numbers as numbers, what is not finite as null, what was not measured left out.</summary>
internal static class EvaluationJson
{
    /// <summary>An array with one object per codec.</summary>
    /// <param name="results">Results of vectors.</param>
    public static string Serialize(IReadOnlyList<VectorResult> results) =>
        JsonSerializer.Serialize(results, EvaluationJsonContext.Default.IReadOnlyListVectorResult);

    /// <summary>An array with one object per pair of codecs.</summary>
    /// <param name="results">Results of a trace.</param>
    public static string Serialize(IReadOnlyList<PairResult> results) =>
        JsonSerializer.Serialize(results, EvaluationJsonContext.Default.IReadOnlyListPairResult);

    /// <summary>An array with one object per pair of codecs.</summary>
    /// <param name="results">Results of a model.</param>
    public static string Serialize(IReadOnlyList<ModelResult> results) =>
        JsonSerializer.Serialize(results, EvaluationJsonContext.Default.IReadOnlyListModelResult);

    /// <summary>One line per pair of codecs, each complete in itself: version, commit, machine, model, text, settings, and one result.</summary>
    /// <param name="report">A whole experiment.</param>
    public static IEnumerable<string> Lines(ModelReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var context = new EvaluationJsonContext(new JsonSerializerOptions(EvaluationJsonContext.Default.Options) { WriteIndented = false });
        return report.Results.Select(result => JsonSerializer.Serialize(
            report with { Results = [result], Retrieval = Of(report.Retrieval, result), Passkeys = Of(report.Passkeys, result) }, context.ModelReport));

        static IReadOnlyList<RetrievalResult>? Of(IReadOnlyList<RetrievalResult>? all, ModelResult result) =>
            all is null ? null : [.. all.Where(r => (r.Keys, r.Values) == (result.Keys, result.Values))];
    }

    /// <summary>One object: version, machine, trace and the array of results.</summary>
    /// <param name="report">A whole experiment.</param>
    public static string Serialize(TraceReport report) => JsonSerializer.Serialize(report, EvaluationJsonContext.Default.TraceReport);

    /// <summary>Reads what <see cref="Serialize(TraceReport)"/> wrote.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="JsonException">It is not such a text.</exception>
    public static TraceReport ParseReport(string json) => JsonSerializer.Deserialize(json, EvaluationJsonContext.Default.TraceReport)
        ?? throw new JsonException("The text is null; an object is wanted.");
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(FiniteNumberConverter)], // an error against nothing but zeros is infinite
    WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<VectorResult>))]
[JsonSerializable(typeof(IReadOnlyList<PairResult>))]
[JsonSerializable(typeof(TraceReport))]
[JsonSerializable(typeof(IReadOnlyList<ModelResult>))]
[JsonSerializable(typeof(ModelReport))]
internal sealed partial class EvaluationJsonContext : JsonSerializerContext;
