using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Sources;
using Kvant.Formats;

namespace Kvant.Cli.Evaluations;

/// <summary><c>kvant evaluate</c> on recorded keys, values and queries.</summary>
internal static class TraceEvaluation
{
    private static readonly Column<PairResult>[] s_columns =
    [
        .. MethodColumns.Of<PairResult>(r => (r.Policy, r.Keys, r.Values)),
        Column<PairResult>.OfReal("bytesPerToken", "bytes/token", "0.#", r => r.BytesPerToken),
        Column<PairResult>.OfReal("bitsPerValue", "bits/value", "0.00", r => r.BitsPerValue, minor: true),
        Column<PairResult>.OfReal("ratio", "x fp16", "0.00", r => r.Ratio),
        Column<PairResult>.OfError("keyNmse", "key nMSE", r => r.KeyNmse, minor: true),
        Column<PairResult>.OfError("valueNmse", "value nMSE", r => r.ValueNmse, minor: true),
        Column<PairResult>.OfError("outputError", "output error", r => r.OutputError),
        Column<PairResult>.OfReal("top1", "top-1", "0.0000", r => r.Top1, minor: true),
        Column<PairResult>.OfError("attentionKl", "mean KL", r => r.AttentionKl?.Mean, minor: true),
        Column<PairResult>.OfError("", "median KL", r => r.AttentionKl?.Median, minor: true),
        Column<PairResult>.OfError("", "99 % KL", r => r.AttentionKl?.P99, minor: true),
        Column<PairResult>.OfError("logitRmse", "logit RMSE", r => r.LogitRmse, minor: true),
    ];

    /// <summary>Compares the pairs; those of <paramref name="defaults"/> that the trace has tokens enough for where none are asked for.</summary>
    public static void Run(string path, RotaryEmbedding? rotary, List<LayerSpecs> pairs, string[] policies, IReadOnlyList<LayerSpecs> defaults, string? report, CommandFiles files, int threads, Terminal terminal, bool json)
    {
        using Trace trace = Trace.Open(path, rotary);
        List<LeftOut> leftOut = [];
        if (pairs.Count == 0 && policies.Length == 0)
        {
            pairs = defaults.Fitting(p => p.Misfit(trace.Tokens, trace.KeyDimension, trace.ValueDimension), leftOut);
            policies = [.. CachePreset.All.Fitting(p => p.Misfit(trace.Tokens, trace.KeyDimension, trace.ValueDimension), leftOut, p => p.Name).Select(p => p.Name)];
        }

        NamedPolicy[] named = Policies.Named(policies, trace.Geometry, Policies.SourceOf(trace));
        foreach (CodecSpec keys in pairs.Select(p => p.Keys).Concat(named.SelectMany(p => p.Layers).Select(l => l.Keys)).Distinct())
            RequireTokens(keys, trace.KeyDimension, CodecRole.Keys, trace);
        foreach (CodecSpec values in pairs.Select(p => p.Values).Concat(named.SelectMany(p => p.Layers).Select(l => l.Values)).Distinct())
            RequireTokens(values, trace.ValueDimension, CodecRole.Values, trace);

        var experiment = new TraceExperiment { Source = new RecordedTrace(trace), Pairs = pairs, Policies = named, Threads = threads };
        TraceReport? found = null;
        terminal.WithProgress("evaluating", json, done =>
            found = experiment.Run(new ShareProgress(done), terminal.Cancellation));
        TraceReport sorted = found! with { Results = [.. found.Results.OrderBy(r => r.BytesPerToken).Select(r => r with { LeftOut = leftOut.Count > 0 ? leftOut : null })] };
        if (report is not null)
            files.Write(report, path => HtmlReport.Write(path, sorted));
        if (json)
            Json.Write(terminal, EvaluationJson.Serialize(sorted.Results));
        else
        {
            Tables.Write(terminal, json: false, s_columns, sorted.Results);
            MethodColumns.WritePolicies(terminal, sorted.Results.Select(r => (r.Policy, r.Keys, r.Values)));
        }

        Tables.WriteLeftOut(terminal, json, leftOut);
    }

    // With fewer tokens everything would stay in 16-bit floats, and those would be compared.
    private static void RequireTokens(CodecSpec spec, int dimension, CodecRole role, Trace trace)
    {
        int fewest = spec.FewestRows(dimension, role);
        if (trace.Tokens < fewest)
            throw new InvalidDataException($"{trace.Path}: '{spec}' needs at least {fewest} tokens; the trace has {trace.Tokens}");
    }
}
