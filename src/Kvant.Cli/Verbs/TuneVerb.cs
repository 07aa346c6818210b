using System.CommandLine;
using System.Globalization;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tuning;
using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant tune</c>: finds the codecs of each layer for a budget.</summary>
internal sealed class TuneVerb : Verb
{
    private readonly Subject _subject = new();
    private readonly RotaryOptions _rotary = new();
    private readonly Option<double> _bits = CommonOptions.Real("--bits-per-value", 0, b => b > 0, "above 0", "The budget: bits by number of the compressed body");
    private readonly Option<double> _bytes = CommonOptions.Real("--bytes-per-token", 0, b => b > 0, "above 0", "The budget: bytes by token of the compressed body, all layers");
    private readonly Option<double> _divergence = CommonOptions.Real("--max-divergence", 0, d => d > 0, "above 0", "The budget: the median divergence that may be lost, in nats; the smallest cache that keeps it");
    private readonly Option<double> _floor = CommonOptions.Real("--floor-bits", 0, b => b > 0, "above 0", "Also say how the oldest tokens are coded again as a cache with a memory limit fills: down to so many bits by number, what costs least first");
    private readonly Option<string?> _output = CommonOptions.OptionalOutput("--output", OutputKind.Policy, "Write the policy (JSON), for --policy of other commands.", "-o");
    private readonly Option<string?> _text = CommonOptions.Text();
    private readonly Option<int> _context = CommonOptions.Number("--context", 1024, 2, int.MaxValue / 2, "Tokens that a model reads at a time, from an empty cache");
    private readonly Option<int> _chunks = CommonOptions.Number("--chunks", 4, 1, int.MaxValue / 4, "Such pieces of the text that are measured");
    private readonly Option<int> _heldOut = CommonOptions.Number("--held-out", 16, 1, int.MaxValue / 4, "Such pieces, others, that policies are verified on at most");
    private readonly Option<CodecSpec[]> _keys = CommonOptions.Specs("--keys", "A candidate for keys; may be repeated. Without it: a list of those with kernels.");
    private readonly Option<CodecSpec[]> _values = CommonOptions.Specs("--values", "A candidate for values; may be repeated.");
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Threads (the result does not depend on them)");

    private static readonly Column<Row>[] Columns =
    [
        Column<Row>.OfText("policy", "policy", r => r.Name),
        Column<Row>.OfReal("bodyBitsPerValue", "body bits", "0.000", r => r.Point.BitsPerValue),
        Column<Row>.OfReal("bytesPerToken", "bytes/token", "0.#", r => r.Point.BytesPerToken),
        Column<Row>.OfError("predicted", "predicted", r => r.Point.Predicted, minor: true),
        Column<Row>.OfError("divergenceMedian", "KL median", r => r.Point.Verified?.DivergenceMedian.Value),
        Column<Row>.OfError("divergenceMedianError", "±", r => r.Point.Verified?.DivergenceMedian.StandardError),
        Column<Row>.OfError("divergenceMean", "KL mean", r => r.Point.Verified?.DivergenceMean.Value),
        Column<Row>.OfError("divergenceP99", "KL 99 %", r => r.Point.Verified?.DivergenceP99.Value, minor: true),
        Column<Row>.OfReal("top1", "top-1", "0.0000", r => r.Point.Verified?.Top1.Value, minor: true),
        Column<Row>.OfValue("layers", "", r => "", (json, r) =>
        {
            json.WriteStartArray();
            foreach (LayerSpecs layer in r.Point.Policy)
            {
                json.WriteStartObject();
                json.WriteString("keys", layer.Keys.FullText);
                json.WriteString("values", layer.Values.FullText);
                if (layer.Ages.Count > 0)
                    json.WriteString("ages", string.Join("; ", layer.Ages));
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }),
    ];

    public TuneVerb()
        : base("tune", "Find the codecs of each layer that lose least within a budget.")
    {
        Add(_subject.Trace);
        foreach (Option option in (Option[])[_subject.Model, _bits, _bytes, _divergence, _floor, _output, _text, _context, _chunks, _heldOut, _keys, _values, _window, _sinks, _threads, _rotary.Base, _rotary.Pairs])
            Add(option);
    }

    public override string Details => """
            Measures what each candidate does to the attention of each layer, keys and values apart, on the first pieces of a text; and how
            much the model minds an error there. From that it puts together the policy that loses least within the budget, and asks the
            model about it on other pieces, beside the best uniform choice and other budgets. On a trace the error of attention is all there
            is to see, and nothing is verified. Where an output is named, measurements are kept beside it while the run goes on, so that it
            can be stopped and resumed. Nothing else in Kvant is calibrated on data.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant tune --bits-per-value 3.0 -o policy.json",
        "kvant tune --model MODEL.gguf --text book.txt --max-divergence 0.0001 -o policy.json",
        "kvant tune trace.safetensors --bytes-per-token 400",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        (string input, bool isModel) = _subject.Of(result);
        string? output = result.GetValue(_output);
        if (!isModel && result.GetResult(_text) is not null)
            throw new UsageException($"--text goes with a model; '{input}' is none");
        CodecSpec[] keys = result.GetValue(_keys) ?? [], values = result.GetValue(_values) ?? [];
        var experiment = new TuneExperiment
        {
            Budget = Budget(result),
            FloorBits = CommonOptions.Given(result, _floor),
            Keys = keys.Length > 0 ? keys : TuneCandidates.Keys,
            Values = values.Length > 0 ? values : TuneCandidates.Values,
            Sinks = result.GetValue(_sinks),
            Window = result.GetValue(_window),
            Context = result.GetValue(_context),
            MeasuredChunks = result.GetValue(_chunks),
            HeldOutChunks = result.GetValue(_heldOut),
            Threads = result.GetValue(_threads),
            MemoryPath = output is null ? null : output + OutputKind.Policy.SideSuffix,
        };
        if (experiment.MemoryPath is { } memory)
            terminal.State.Kept = () => File.Exists(memory) ? $"its measurements are kept in '{memory}', and the same command goes on from there" : null;
        TuneReport? report = null;
        terminal.WithProgress("tuning", json, done =>
        {
            var progress = new ShareProgress(done);
            if (isModel)
            {
                _rotary.RequireNone(result);
                using LanguageModel model = LanguageModel.Open(input);
                Files.AddParts(model.File.Paths);
                report = experiment.Run(model, TextFile.Read(result.GetValue(_text) ?? Shipped.Text), progress, terminal.Cancellation);
            }
            else
            {
                using Trace trace = Trace.Open(input, _rotary.Of(result));
                report = experiment.Run(new RecordedTrace(trace), CachePolicyFile.HashOf(input), progress, terminal.Cancellation);
            }
        });
        if (output is not null)
            Files.Write(output, path => CachePolicyFile.Save(path, Policy(report!, experiment, isModel)));
        Show(terminal, json, report!, output);
        List<LeftOut> leftOut = [];
        _ = experiment.Keys.Fitting(k => k.Misfit(int.MaxValue, report!.Geometry.KeyDimension, CodecRole.Keys), leftOut);
        _ = experiment.Values.Fitting(v => v.Misfit(int.MaxValue, report!.Geometry.ValueDimension, CodecRole.Values), leftOut);
        Tables.WriteLeftOut(terminal, json, [.. leftOut.Distinct()]);
    }

    private TuneBudget Budget(ParseResult result)
    {
        Option<double>[] given = [.. new[] { _bits, _bytes, _divergence }.Where(o => result.GetResult(o) is { Implicit: false })];
        if (given.Length != 1)
            throw new UsageException($"one budget is wanted, {given.Length} found; give --bits-per-value, --bytes-per-token or --max-divergence");
        double value = result.GetValue(given[0]);
        return given[0] == _bits ? TuneBudget.OfBits(value) : given[0] == _bytes ? TuneBudget.OfBytes(value) : TuneBudget.OfDivergence(value);
    }

    private static CachePolicy Policy(TuneReport report, TuneExperiment experiment, bool isModel)
    {
        Dictionary<string, string> notes = new()
        {
            ["bits_per_value"] = Text(report.Chosen.BitsPerValue),
            ["body_bytes_per_token"] = Text(report.Chosen.BytesPerToken),
            [isModel ? "predicted_mean_divergence" : "attention_error"] = Text(report.Chosen.Predicted),
        };
        if (report.Chosen.Verified is { } loss)
        {
            notes["median_divergence"] = Text(loss.DivergenceMedian.Value);
            notes["verified_on_tokens"] = Text(report.HeldOutTokens);
        }

        return new CachePolicy { Geometry = report.Geometry, Layers = report.Chosen.Policy, Sinks = experiment.Sinks, Window = experiment.Window, SourceHash = report.SourceHash, Notes = notes };
    }

    private static void Show(Terminal terminal, bool json, TuneReport report, string? output)
    {
        List<Row> rows = [new("chosen", report.Chosen)];
        if (report.BestUniform is { } uniform)
            rows.Add(new(json ? "best uniform" : $"best uniform: {uniform.Policy[0].Keys} / {uniform.Policy[0].Values}", uniform));
        rows.AddRange(report.Frontier.Select(p => new Row("frontier", p)));
        Tables.Write(terminal, json, Columns, rows);
        if (json)
            return;
        terminal.Out.WriteLine("The chosen policy:");
        for (int layer = 0; layer < report.Chosen.Policy.Count; layer++)
            terminal.Out.WriteLine($"  layer {layer}: {string.Join("; ", report.Chosen.Policy[layer].Ages.Select(step => step.ToString()).Prepend($"{report.Chosen.Policy[layer].Keys} / {report.Chosen.Policy[layer].Values}"))}");
        terminal.Out.WriteLine(report.HeldOutTokens > 0
            ? $"Measured on {report.MeasuredTokens} tokens, verified on {report.HeldOutTokens} others."
            : $"Measured on the {report.MeasuredTokens} tokens of the trace, by the error of attention; not verified.");
        if (output is not null)
            terminal.Out.WriteLine($"Written to {output}.");
    }

    private static string Text(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    private sealed record Row(string Name, TunePoint Point);
}
