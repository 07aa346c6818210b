using System.Globalization;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Retrieval;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Cli.Evaluations;

/// <summary><c>kvant evaluate</c> on a language model.</summary>
internal static class ModelEvaluation
{
    private const int RoomForAnswer = 24;

    private static readonly LayerSpecs s_exact = LayerSpecs.Parse("fp32");

    /// <summary>Compares the pairs of an experiment and writes what was found, to the terminal and to the files that were asked for.</summary>
    public static void Run(ModelExperiment experiment, bool retrieval, bool passkeys, string? report, string? results, List<LeftOut> leftOut, CommandFiles files, Terminal terminal, bool json)
    {
        ModelConfig model = experiment.Model.Config;
        if (experiment.Context > model.ContextLength)
            terminal.Error.WriteLine($"warning: the model was trained on contexts of {model.ContextLength} tokens; at {experiment.Context} it reads worse, compressed or not");
        ModelReport? found = null;
        terminal.WithProgress("evaluating", json, done => found = experiment.Run(new ShareProgress(done), terminal.Cancellation));
        ModelReport sorted = found! with { Results = [.. found.Results.OrderBy(r => r.BytesPerToken).Select(r => r with { LeftOut = leftOut.Count > 0 ? leftOut : null })] };
        // At once: whoever interrupts what comes then has the table.
        if (!json)
        {
            Show(terminal, sorted);
            Tables.WriteLeftOut(terminal, json, leftOut);
        }

        sorted = sorted with
        {
            Retrieval = retrieval ? Retrieve(experiment, terminal, json) : null,
            Passkeys = passkeys ? HidePasskeys(experiment, terminal, json) : null,
        };
        if (report is not null)
            files.Write(report, path => ModelHtmlReport.Write(path, sorted));
        if (results is not null)
            files.Write(results, path => WriteLines(path, sorted));
        if (json)
            Json.Write(terminal, EvaluationJson.Serialize(sorted.Results));
        else
            ShowFound(terminal, sorted);
    }

    private static IReadOnlyList<RetrievalResult> Retrieve(ModelExperiment asked, Terminal terminal, bool json)
    {
        IReadOnlyList<RetrievalResult>? found = null;
        var experiment = new RetrievalExperiment
        {
            Pairs = [s_exact, .. PairsOf(asked).Where(p => p != s_exact)],
            HeadDimensions = [64, 128],
            Window = asked.Window,
            Sinks = asked.Sinks,
            Threads = asked.Threads,
        };
        terminal.WithProgress("asking for single tokens", json, done => found = experiment.Run(new ShareProgress(done), terminal.Cancellation));
        return found!;
    }

    private static IReadOnlyList<RetrievalResult> HidePasskeys(ModelExperiment asked, Terminal terminal, bool json)
    {
        IReadOnlyList<RetrievalResult>? found = null;
        var experiment = new PasskeyExperiment
        {
            Model = asked.Model,
            Tokenizer = Tokenizer.Read(asked.Model.File),
            Filler = asked.Text,
            Pairs = PairsOf(asked),
            // The question and the answer want room behind the text.
            Lengths = [Math.Max(asked.Context - RoomForAnswer, 1)],
            Window = asked.Window,
            Sinks = asked.Sinks,
            Decoding = new DecoderOptions { Threads = asked.Threads },
        };
        terminal.WithProgress("asking for passkeys", json, done => found = experiment.Run(new ShareProgress(done), terminal.Cancellation));
        return found!;
    }

    // Policies that differ by layer belong to one model, not to the formula's.
    private static LayerSpecs[] PairsOf(ModelExperiment asked) =>
    [
        .. asked.Pairs,
        .. asked.Policies.Where(p => p.Layers.Distinct().Count() == 1).Select(p => new LayerSpecs(p.Layers[0].Keys, p.Layers[0].Values)).Except(asked.Pairs),
    ];

    private static void ShowFound(Terminal terminal, string title, IReadOnlyList<RetrievalResult> found)
    {
        terminal.Out.WriteLine();
        terminal.Out.WriteLine(title);
        (int Dimension, int Length)[] texts = [.. found.Select(r => (r.HeadDimension, r.Length)).Distinct()];
        bool oneDimension = texts.DistinctBy(t => t.Dimension).Count() == 1;
        RetrievalResult[][] rows = [.. found.GroupBy(r => r.Label).Select(g => g.ToArray()).OrderBy(g => g[^1].BytesPerToken)];
        Tables.Write(
            terminal, json: false,
            [
                Column<RetrievalResult[]>.OfSpec("", "keys", r => CodecSpec.Parse(r[0].Keys).ToString()),
                Column<RetrievalResult[]>.OfSpec("", "values", r => CodecSpec.Parse(r[0].Values).ToString()),
                Column<RetrievalResult[]>.OfReal("", "bytes/token", "0.0", r => r.Where(x => x.HeadDimension == texts[0].Dimension).MaxBy(x => x.Length)?.BytesPerToken),
                .. texts.Select(text => Column<RetrievalResult[]>.OfReal(
                    "", oneDimension ? Invariant($"{text.Length}") : Invariant($"{text.Length}, d {text.Dimension}"), "0.0", r => 100 * r.FirstOrDefault(x => (x.HeadDimension, x.Length) == text)?.Right)),
            ],
            rows);
    }

    private static void ShowFound(Terminal terminal, ModelReport report)
    {
        if (report.Retrieval is { } tokens)
            ShowFound(terminal, "Found again by a model that looks one token up, % of 160 questions, by tokens of text (docs/retrieval.md):", tokens);
        if (report.Passkeys is { } keys)
            ShowFound(terminal, keys.All(k => k.Right == 0) ? "Passkeys: this model finds none, not even with an fp32 cache, so they say nothing of codecs." : "Passkeys found, %, by tokens of text:", keys);
    }

    private static void Show(Terminal terminal, ModelReport report)
    {
        var text = report.Text;
        terminal.Out.WriteLine(Invariant($"{report.Model.Name} on {text.Name}, {text.Chunks} x {text.Context} tokens, perplexity {report.ExactPerplexity:0.###} with {report.Baseline}, {report.ExactSpeed.DecodeTokensPerSecond:0} tokens/s."));
        terminal.Out.WriteLine(Invariant($"All caches: {report.Sinks} sinks and a window of {report.Window} in 16-bit floats. KL in nats, each against {(report.Against is null ? "the fp32 cache" : report.Baseline)}; x long: times smaller than fp16 at {report.LongContext} tokens."));
        Tables.Write(terminal, json: false, Columns(report), report.Results);
        string[] layers = [.. report.LayersOfSharedKeys.Select(layer => Invariant($"{layer} ({report.KeyMeanShares[layer]:0%})"))];
        if (layers.Length > 0)
            terminal.Out.WriteLine($"Most of the keys' energy is one vector that all keys share, in layers {string.Join(", ", layers)}: codes with one scale by row spend their levels on it, and the softmax never sees it.");
        MethodColumns.WritePolicies(terminal, report.Results.Select(r => (r.Policy, r.Keys, r.Values)));
        if (text.Context <= report.Sinks + report.Window)
            terminal.Out.WriteLine(Invariant($"No token of a piece is compressed, since sinks and window hold {report.Sinks + report.Window}: give a longer --context, or a shorter --window and fewer --sinks."));
        if (text.Chunks < 16)
            terminal.Out.WriteLine($"Standard errors (±) are rough with few pieces of text ({text.Chunks}); 16 or more are better.");
    }

    private static Column<ModelResult>[] Columns(ModelReport report)
    {
        List<Column<ModelResult>> columns =
        [
            .. MethodColumns.Of<ModelResult>(r => (r.Policy, r.Keys, r.Values)),
            Column<ModelResult>.OfReal("", "body bits", "0.00", r => r.BodyBitsPerValue),
            Column<ModelResult>.OfReal("", "bytes/token", "0", r => r.BytesPerToken),
            Column<ModelResult>.OfReal("", "x fp16", "0.00", r => r.Ratio, minor: true),
            Column<ModelResult>.OfReal("", "x long", "0.00", r => r.LongRatio),
            Column<ModelResult>.OfError("", "KL median", r => r.Loss.DivergenceMedian.Value),
            Column<ModelResult>.OfError("", "±", r => r.Loss.DivergenceMedian.StandardError, minor: true),
            Column<ModelResult>.OfError("", "KL 99 %", r => r.Loss.DivergenceP99.Value),
            Column<ModelResult>.OfError("", "KL 99.9 %", r => r.Loss.DivergenceP999.Value, minor: true),
            Column<ModelResult>.OfError("", "KL mean", r => r.Loss.DivergenceMean.Value, minor: true),
            Column<ModelResult>.OfReal("", "top-1 %", "0.00", r => 100 * r.Loss.Top1.Value),
            Column<ModelResult>.OfReal("", "perplexity %", "+0.000;-0.000", r => 100 * (r.Loss.PerplexityRatio.Value - 1)),
            Column<ModelResult>.OfReal("", "±", "0.000", r => 100 * r.Loss.PerplexityRatio.StandardError, minor: true),
            Column<ModelResult>.OfReal("", "tokens/s", "0", r => r.Speed.DecodeTokensPerSecond, minor: true),
            Column<ModelResult>.OfReal("", "first other token", "0", r => r.GreedyDifferences.Min() + 1, minor: true),
        ];
        if (report.Parts)
        {
            columns.Add(Column<ModelResult>.OfError("", "keys only", r => r.KeysOnly?.DivergenceMedian.Value));
            columns.Add(Column<ModelResult>.OfError("", "values only", r => r.ValuesOnly?.DivergenceMedian.Value));
        }

        return [.. columns];
    }

    private static void WriteLines(string path, ModelReport report)
    {
        using AtomicFile file = AtomicFile.Create(path);
        using (var writer = new StreamWriter(file.Stream, leaveOpen: true) { NewLine = "\n" })
        {
            foreach (string line in EvaluationJson.Lines(report))
                writer.WriteLine(line);
        }

        file.Commit();
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
