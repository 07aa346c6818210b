using System.Globalization;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Reports;
using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Evaluations;

/// <summary><c>kvant evaluate</c> on a language model.</summary>
internal static class ModelEvaluation
{
    // Where the keys' mean has most of their energy it is what codes with one scale by row spend their levels on.
    private const double LargeMean = 0.5;

    /// <summary>Compares the pairs of an experiment and writes what was found, to the terminal and to the files that were asked for.</summary>
    public static void Run(ModelExperiment experiment, string? report, string? results, Terminal terminal, bool json)
    {
        ModelConfig model = experiment.Model.Config;
        if (experiment.Context > model.ContextLength)
            terminal.Error.WriteLine($"warning: the model was trained on contexts of {model.ContextLength} tokens; at {experiment.Context} it reads worse, compressed or not");
        ModelReport? found = null;
        terminal.WithProgress("evaluating", json, done => found = experiment.Run(new ShareProgress<double>(share => share, done), terminal.Cancellation));
        ModelReport sorted = found! with { Results = [.. found.Results.OrderBy(r => r.BytesPerToken)] };
        if (report is not null)
            OutputFile.Write(report, () => ModelHtmlReport.Write(report, sorted));
        if (results is not null)
            OutputFile.Write(results, () => WriteLines(results, sorted));
        if (json)
            terminal.Out.WriteLine(EvaluationJson.Serialize(sorted.Results));
        else
            Show(terminal, sorted);
    }

    private static void Show(Terminal terminal, ModelReport report)
    {
        var text = report.Text;
        terminal.Out.WriteLine(Invariant($"{report.Model.Name} on {text.Name}, {text.Chunks} x {text.Context} tokens, perplexity {report.ExactPerplexity:0.###} with an fp32 cache, {report.ExactSpeed.DecodeTokensPerSecond:0} tokens/s."));
        terminal.Out.WriteLine(Invariant($"All caches: {report.Sinks} sinks and a window of {report.Window} in 16-bit floats. KL in nats, each against the fp32 cache; x long: times smaller than fp16 at {report.LongContext} tokens."));
        Tables.Write(terminal, json: false, Columns(report), report.Results);
        string[] layers = [.. report.KeyMeanShares.Select((share, layer) => (share, layer)).Where(l => l.share > LargeMean).Select(l => Invariant($"{l.layer} ({l.share:0%})"))];
        if (layers.Length > 0)
            terminal.Out.WriteLine($"Most of the keys' energy is one vector that all keys share, in layers {string.Join(", ", layers)}: codes with one scale by row spend their levels on it, and the softmax never sees it.");
        if (text.Chunks < 16)
            terminal.Out.WriteLine($"Standard errors (±) are rough with {text.Chunks} chunks; 16 or more are better.");
    }

    private static Column<ModelResult>[] Columns(ModelReport report)
    {
        List<Column<ModelResult>> columns =
        [
            Column<ModelResult>.OfSpec("", "keys", r => CodecSpec.Parse(r.Keys).ToString()),
            Column<ModelResult>.OfSpec("", "values", r => CodecSpec.Parse(r.Values).ToString()),
            Column<ModelResult>.OfReal("", "bits", "0.00", r => r.BodyBitsPerValue),
            Column<ModelResult>.OfReal("", "bytes/token", "0", r => r.BytesPerToken),
            Column<ModelResult>.OfReal("", "x fp16", "0.00", r => r.Ratio, minor: true),
            Column<ModelResult>.OfReal("", "x long", "0.00", r => r.LongRatio),
            Column<ModelResult>.OfReal("", "KL median", "0.0000000", r => r.Loss.DivergenceMedian.Value),
            Column<ModelResult>.OfReal("", "±", "0.0000000", r => r.Loss.DivergenceMedian.StandardError, minor: true),
            Column<ModelResult>.OfReal("", "KL 99 %", "0.00000", r => r.Loss.DivergenceP99.Value),
            Column<ModelResult>.OfReal("", "KL mean", "0.000000", r => r.Loss.DivergenceMean.Value, minor: true),
            Column<ModelResult>.OfReal("", "top-1 %", "0.00", r => 100 * r.Loss.Top1.Value),
            Column<ModelResult>.OfReal("", "perplexity %", "+0.000;-0.000;0.000", r => 100 * (r.Loss.PerplexityRatio.Value - 1)),
            Column<ModelResult>.OfReal("", "±", "0.000", r => 100 * r.Loss.PerplexityRatio.StandardError, minor: true),
            Column<ModelResult>.OfReal("", "tokens/s", "0", r => r.Speed.DecodeTokensPerSecond, minor: true),
            Column<ModelResult>.OfReal("", "first other token", "0", r => r.GreedyDifferences.Min() ?? report.GreedyTokens, minor: true),
        ];
        if (report.Parts)
        {
            columns.Add(Column<ModelResult>.OfReal("", "keys only", "0.0000000", r => r.KeysOnly?.DivergenceMedian.Value));
            columns.Add(Column<ModelResult>.OfReal("", "values only", "0.0000000", r => r.ValuesOnly?.DivergenceMedian.Value));
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
