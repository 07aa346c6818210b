using System.CommandLine;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Sources;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant evaluate</c>: what each pair of codecs costs and loses on the keys and values of a transformer.</summary>
internal sealed class EvaluateVerb : Verb
{
    private readonly Argument<string?> _trace = CommonOptions.OptionalFile("TRACE", "Recorded keys, values and queries, a safetensors file with kvant.trace = 1. Without it: the trace that ships.");
    private readonly Option<CodecSpec[]> _codecs = CommonOptions.Specs("--codec", "A codec for keys and values alike; may be repeated.");
    private readonly Option<CodecSpec[]> _keys = CommonOptions.Specs("--keys", "A codec for keys; may be repeated, and goes with the --values in the same place.");
    private readonly Option<CodecSpec[]> _values = CommonOptions.Specs("--values", "A codec for values; may be repeated. One --keys goes with every --values, and the other way round.");
    private readonly Option<string?> _report = CommonOptions.OptionalOutput("--report", "Also write a page (HTML) with the table and a plot of bytes against error.");
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Heads that are worked on at a time (the results do not depend on it)");

    private static readonly Column<PairResult>[] Columns =
    [
        Column<PairResult>.OfSpec("keys", "keys", r => CodecSpec.Parse(r.Keys).ToString()),
        Column<PairResult>.OfSpec("values", "values", r => CodecSpec.Parse(r.Values).ToString()),
        Column<PairResult>.OfReal("bytesPerToken", "bytes/token", "0.#", r => r.BytesPerToken),
        Column<PairResult>.OfReal("bitsPerValue", "bits/value", "0.00", r => r.BitsPerValue, minor: true),
        Column<PairResult>.OfReal("ratio", "x fp16", "0.00", r => r.Ratio),
        Column<PairResult>.OfReal("keyNmse", "key nMSE", "0.00000", r => r.KeyNmse, minor: true),
        Column<PairResult>.OfReal("valueNmse", "value nMSE", "0.00000", r => r.ValueNmse, minor: true),
        Column<PairResult>.OfReal("outputError", "output error", "0.00000", r => r.OutputError),
        Column<PairResult>.OfReal("top1", "top-1", "0.0000", r => r.Top1, minor: true),
        Column<PairResult>.OfReal("attentionKl", "mean KL", "0.00000", r => r.AttentionKl?.Mean, minor: true),
        Column<PairResult>.OfReal("", "median KL", "0.00000", r => r.AttentionKl?.Median, minor: true),
        Column<PairResult>.OfReal("", "99 % KL", "0.00000", r => r.AttentionKl?.P99, minor: true),
        Column<PairResult>.OfReal("logitRmse", "logit RMSE", "0.00000", r => r.LogitRmse, minor: true),
    ];

    public EvaluateVerb()
        : base("evaluate", "Compare methods on the keys and values of a real transformer.")
    {
        Add(_trace);
        foreach (Option option in (Option[])[_codecs, _keys, _values, _report, _threads])
            Add(option);
    }

    public override string Details => """
            One row per pair of codecs, from few bytes to many: bytes per token of the whole model, how many times smaller that is than
            16-bit floats, and the part of the energy that is lost in keys and values (nMSE). Where the trace has queries, attention
            over the decoded keys and values is compared with the exact one: the error of its output as a part of the output's energy,
            the share of queries whose largest weight stays on the same token (top-1), the divergence of the weights in nats (KL) and
            the error of the logits. Without --codec, --keys and --values every compressing method is compared, at sizes near each
            other; those that the trace has too few tokens for are left out.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant evaluate",
        "kvant evaluate --report report.html",
        "kvant evaluate trace.safetensors --keys turboquant:bits=4 --values turboquant:bits=3 --codec fp16",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string? input = result.GetValue(_trace), report = result.GetValue(_report);
        List<CodecPair> pairs = CodecPairs.Of(result.GetValue(_codecs), result.GetValue(_keys), result.GetValue(_values));
        if (report is not null)
            OutputFile.Check(report, input);

        using Trace trace = Trace.Open(input ?? Path.Combine(AppContext.BaseDirectory, "data", "mini-trace.safetensors"));
        if (pairs.Count == 0)
            pairs = [.. DefaultCodecs.Pairs.Where(p => p.Keys.Takes(trace.Tokens, trace.KeyDimension, CodecRole.Keys) && p.Values.Takes(trace.Tokens, trace.ValueDimension, CodecRole.Values))];
        foreach (CodecPair pair in pairs)
        {
            RequireTokens(pair.Keys, trace.KeyDimension, CodecRole.Keys, trace);
            RequireTokens(pair.Values, trace.ValueDimension, CodecRole.Values, trace);
        }

        var experiment = new TraceExperiment { Source = new RecordedTrace(trace), Pairs = pairs, Threads = result.GetValue(_threads) };
        TraceReport? found = null;
        terminal.WithProgress("evaluating", json, done =>
            found = experiment.Run(new ShareProgress<TraceProgress>(progress => progress.Share, done), terminal.Cancellation));
        TraceReport sorted = found! with { Results = [.. found.Results.OrderBy(r => r.BytesPerToken)] };
        if (report is not null)
            OutputFile.Write(report, () => HtmlReport.Write(report, sorted));
        if (json)
            terminal.Out.WriteLine(EvaluationJson.Serialize(sorted.Results));
        else
            Tables.Write(terminal, json: false, Columns, sorted.Results);
    }

    // With fewer tokens everything would stay in 16-bit floats, and those would be compared.
    private static void RequireTokens(CodecSpec spec, int dimension, CodecRole role, Trace trace)
    {
        int fewest = spec.FewestRows(dimension, role);
        if (trace.Tokens < fewest)
            throw new InvalidDataException($"{trace.Path}: '{spec}' needs at least {fewest} tokens; the trace has {trace.Tokens}");
    }
}
