using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Evaluations;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Sources;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant evaluate</c>: what each pair of codecs costs, and what it does to a language model or to recorded keys and values.</summary>
internal sealed class EvaluateVerb : Verb
{
    private readonly Subject _subject = new();
    private readonly Option<string?> _text = CommonOptions.Text();
    private readonly Option<int> _context = CommonOptions.Number("--context", 1024, 2, int.MaxValue / 2, "Tokens that a model reads at a time, from an empty cache");
    private readonly Option<int> _chunks = CommonOptions.Number("--chunks", 16, 1, int.MaxValue / 2, "Such pieces of the text at most (fewer than 16 give rough standard errors)");
    private readonly Methods _methods = new("Without any of these: the default comparison and the presets.");
    private readonly Option<bool> _all = new("--all") { Description = "Compare every method, and the published ones as their papers have them, with --parts and --retrieval; takes minutes." };
    private readonly Option<bool> _parts = new("--parts") { Description = "Also compress keys alone and values alone." };
    private readonly Option<bool> _retrieval = new("--retrieval") { Description = "Also ask a model written by formula, with heads of 64 and of 128 numbers, for single tokens of texts of 1,024, 4,096 and 16,384 (docs/retrieval.md)." };
    private readonly Option<bool> _passkeys = new("--passkeys") { Description = "Also hide numbers in the text and ask the model for them, at the context's length." };
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly Option<int> _long = CommonOptions.Number("--long-context", 32768, 1, int.MaxValue / 2, "Also say how large the cache is at so many tokens");
    private readonly Option<string?> _against = CommonOptions.Input("--against", FileUse.Input, "Compare with logits that another engine wrote for the same tokens (docs/formats/logits.md), not with an fp32 cache.");
    private readonly RotaryOptions _rotary = new();
    private readonly Option<string?> _report = CommonOptions.OptionalOutput("--report", OutputKind.Report, "Also write a page (HTML) with plots and every number.");
    private readonly Option<string?> _results = CommonOptions.OptionalOutput("--results", OutputKind.Results, "Also write a line of JSON per pair of codecs, each with commit, machine, model, text and settings.");
    private readonly Option<Arithmetic> _arithmetic = CommonOptions.Arithmetic(Arithmetic.Exact);
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Threads (speeds depend on them, other numbers do not)");

    public EvaluateVerb()
        : base("evaluate", "Compare methods by what they do to a language model, or to recorded keys and values.")
    {
        Add(_subject.Trace);
        foreach (Option option in (Option[])[_subject.Model, _text, _context, _chunks, .. _methods.Options, _all, _parts, _retrieval, _passkeys, _window, _sinks, _long, _against, _rotary.Base, _rotary.Pairs, _report, _results, _arithmetic, _threads])
            Add(option);
    }

    public override string Details => """
            A model reads a text once with an fp32 cache and once with each pair of codecs; every token attends to the cache as it
            decodes at that moment, all but the first tokens (sinks) and the newest (window) compressed. One row per pair, from few
            bytes to many: bits per number of the compressed body; bytes per token of the whole cache, everything counted; how many
            times smaller than fp16 the cache is at a long context; the divergence (KL) of the next-token probabilities from those
            of the fp32 cache, median and 99th percentile; how often the most likely token stays the same (top-1); and what happens
            to the perplexity. Standard errors (±) come from resampling whole pieces of the text.

            With --arithmetic fast the compared models multiply as 'generate' does, in integers, and the row fp32 is the floor: what that
            alone changes.

            With --against another engine's logits take the place of the fp32 cache: pieces and context are those of the file, and the row
            fp32 is what the two engines differ by.

            A trace needs no model: attention over decoded keys and values, without sinks and window, is compared with the exact one
            (see docs/formats/trace.md; 'kvant trace' records one).
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant evaluate",
        "kvant evaluate --report report.html --parts",
        "kvant evaluate --model MODEL.gguf --text book.txt --context 4096 --codec fp16 --keys q8 --values turboquant:bits=3",
        "kvant evaluate --model MODEL.gguf --policy balanced --policy policy.json --codec fp16",
        "kvant evaluate trace.safetensors --keys turboquant:bits=4 --values turboquant:bits=3 --policy balanced",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        (string input, bool isModel) = _subject.Of(result);
        List<LayerSpecs> pairs = _methods.Pairs(result);
        bool all = result.GetValue(_all);
        if (all && pairs.Count > 0)
            throw new UsageException("--all compares everything; leave out --codec, --keys and --values, or --all");
        if (isModel)
        {
            _rotary.RequireNone(result);
            EvaluateModel(input, pairs, result, terminal, json);
            return;
        }

        foreach (Option option in (Option[])[_text, _context, _chunks, _parts, _retrieval, _passkeys, _window, _sinks, _long, _against, _results, _arithmetic])
        {
            if (result.GetResult(option) is { Implicit: false })
                throw new UsageException($"{option.Name} goes with a model; '{input}' is none");
        }

        TraceEvaluation.Run(input, _rotary.Of(result), pairs, _methods.Policies(result), all ? DefaultCodecs.All : DefaultCodecs.Pairs, result.GetValue(_report), Files, result.GetValue(_threads), terminal, json);
    }

    private void EvaluateModel(string input, List<LayerSpecs> pairs, ParseResult result, Terminal terminal, bool json)
    {
        string text = result.GetValue(_text) ?? Shipped.Text;
        string[] policies = _methods.Policies(result);
        Arithmetic arithmetic = result.GetValue(_arithmetic);
        using LanguageModel model = LanguageModel.Open(input);
        Files.AddParts(model.File.Paths);
        CacheGeometry geometry = model.CacheGeometry;
        List<LeftOut> leftOut = [];
        bool all = result.GetValue(_all);
        if (all || (pairs.Count == 0 && policies.Length == 0))
        {
            pairs = (all ? DefaultCodecs.All : DefaultCodecs.ForModels).Fitting(p => p.Misfit(int.MaxValue, geometry.KeyDimension, geometry.ValueDimension), leftOut);
            policies = [.. policies, .. CachePreset.All.Fitting(p => p.Misfit(int.MaxValue, geometry.KeyDimension, geometry.ValueDimension), leftOut, p => p.Name).Select(p => p.Name)];
        }

        // What products alone lose, or what two engines differ by, is a floor under every other row.
        using LogitsFile? against = result.GetValue(_against) is { } logits ? LogitsFile.Open(logits) : null;
        var exact = LayerSpecs.Parse("fp32");
        if ((arithmetic == Arithmetic.Fast || against is not null) && !pairs.Contains(exact))
            pairs = [exact, .. pairs];
        ModelEvaluation.Run(
            new ModelExperiment
            {
                Model = model,
                Text = TextFile.Read(text),
                TextName = Path.GetFileName(text),
                Pairs = pairs,
                Policies = Policies.Named(policies, geometry, model.PolicySource),
                Context = Asked(_context, against?.Context),
                Chunks = Asked(_chunks, against?.Chunks),
                Against = against,
                Sinks = result.GetValue(_sinks),
                Window = result.GetValue(_window),
                Parts = result.GetValue(_parts) || result.GetValue(_all),
                LongContext = result.GetValue(_long),
                Arithmetic = arithmetic,
                Threads = result.GetValue(_threads),
            },
            retrieval: result.GetValue(_retrieval) || result.GetValue(_all), passkeys: result.GetValue(_passkeys),
            result.GetValue(_report), result.GetValue(_results), leftOut, Files, terminal, json);

        // Without a word, what the logits are of.
        int Asked(Option<int> option, int? ofLogits) => ofLogits is { } number && result.GetResult(option) is not { Implicit: false } ? number : result.GetValue(option);
    }
}
