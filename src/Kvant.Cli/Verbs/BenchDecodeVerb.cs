using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Speed;
using Kvant.Models.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant bench decode</c>: how fast a whole model decodes.</summary>
internal sealed class BenchDecodeVerb : Verb
{
    private static readonly string[] s_codecs = ["turboquant:bits=4", "turboquant:bits=3"];

    private readonly Methods _methods = new("Without any of these: 4 and 3 bits of turboquant, and the recommended preset.");
    private readonly Option<int> _layers = CommonOptions.Number("--layers", 8, 1, 1024, "Layers of the model");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 2, Codec.MaxDimension, "Numbers in a key and in a value");
    private readonly Option<int> _kvHeads = CommonOptions.Number("--kv-heads", 8, 1, 1024, "Key-value heads of a layer");
    private readonly Option<int> _group = CommonOptions.Number("--group", 4, 1, 256, "Query heads that share a key-value head");
    private readonly Option<int> _width = CommonOptions.Number("--width", 1024, 32, 1 << 16, "Numbers that describe a token between layers, by 32");
    private readonly Option<int> _feedForward = CommonOptions.Number("--feed-forward", 3072, 32, 1 << 18, "Numbers of the inner side of the feed-forward part, by 32");
    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", 16384, 1, 1 << 20, "Cached tokens");
    private readonly Option<int> _prompt = CommonOptions.Number("--prompt", 0, 0, 1 << 20, "Tokens of a prompt that the model reads besides, in an empty cache; 0 for none");
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly Option<Arithmetic> _arithmetic = CommonOptions.Arithmetic(Arithmetic.Fast);
    private readonly Option<bool> _copyWeights = CommonOptions.CopyWeights();
    private readonly Option<string> _weights = new Option<string>("--weights") { Description = "How the weights are stored.", HelpName = "FORMAT", DefaultValueFactory = _ => "Q8_0" }
        .AcceptOnlyFromAmong([.. TensorFormat.All.Where(f => f.BlockLength > 1).Select(f => f.Name)]);

    private readonly Option<int> _threads = CommonOptions.Number("--threads", 1, 1, 1024, "Threads that work on a step");
    private readonly Option<double> _seconds = SpeedOptions.Seconds(10, "How long each codec is measured");

    private static readonly Column<DecodeSpeedResult>[] Columns =
    [
        Column<DecodeSpeedResult>.OfSpec("codec", "codec", r => r.Codec),
        Column<DecodeSpeedResult>.OfInteger("tokens", "tokens", r => r.Tokens),
        Column<DecodeSpeedResult>.OfInteger("threads", "threads", r => r.Threads, minor: true),
        Column<DecodeSpeedResult>.OfInteger("cacheBytes", "cache bytes", r => r.CacheBytes),
        Column<DecodeSpeedResult>.OfReal("tokensPerSecond", "tokens/s", "0.0", r => r.TokensPerSecond),
        Column<DecodeSpeedResult>.OfReal("attentionMilliseconds", "attention ms", "0.00", r => r.AttentionMilliseconds),
        Column<DecodeSpeedResult>.OfReal("restMilliseconds", "rest ms", "0.00", r => r.RestMilliseconds),
        Column<DecodeSpeedResult>.OfReal("attentionRatioToFp32", "attention x fp32", "0.00", r => r.AttentionRatioToFp32),
        Column<DecodeSpeedResult>.OfReal("ratioToFp32", "x fp32", "0.00", r => r.RatioToFp32),
        Column<DecodeSpeedResult>.OfError("outputError", "output error", r => r.OutputError, minor: true),
    ];

    private static readonly Column<DecodeSpeedResult>[] PromptColumns =
    [
        Column<DecodeSpeedResult>.OfReal("promptTokensPerSecond", "prompt/s", "0.0", r => r.PromptTokensPerSecond),
        Column<DecodeSpeedResult>.OfReal("promptRatioToFp32", "prompt x fp32", "0.00", r => r.PromptRatioToFp32),
    ];

    public BenchDecodeVerb()
        : base("decode", "Measure how fast a whole model decodes with its cache compressed.")
    {
        foreach (Option option in (Option[])[.. _methods.Options, _layers, _dimension, _kvHeads, _group, _width, _feedForward, _tokens, _prompt, _window, _sinks, _arithmetic, _weights, _copyWeights, _threads, _seconds])
            Add(option);
    }

    public override string Details => """
            A model of the given shape is written to a temporary file, with random weights (--weights), and decodes token by token behind
            a cache that is full of random ones. One row per pair of codecs and per policy, the first with 32-bit floats. attention ms: the part of a step that goes
            to the cache, appending included; rest ms: the products with the weights and all else. x fp32: how many times faster than the
            first row. output error: relative root mean square error of the first layer's attention. With --prompt, prompt/s: tokens of it
            in a second, read in parts of 512 into an empty cache (--seconds says how long that goes on, too). All run in turn in one process,
            and medians count. Memory with the defaults: about 2 GB, and 170 MB of disk.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant bench decode",
        "kvant bench decode --policy balanced --codec q8 --tokens 4096 --threads 2",
        "kvant bench decode --policy balanced --codec fp16 --prompt 4096 --threads 2",
        "kvant bench decode --arithmetic exact --weights Q4_K --tokens 256",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        List<LayerSpecs> pairs = _methods.Pairs(result);
        string[] policies = _methods.Policies(result);
        Arithmetic arithmetic = CommonOptions.ArithmeticOf(result, _arithmetic, _copyWeights);
        List<LeftOut> leftOut = [];
        int dimension = result.GetValue(_dimension);
        if (pairs.Count == 0 && policies.Length == 0)
        {
            pairs = s_codecs.Select(text => LayerSpecs.Parse(text)).Fitting(p => p.Misfit(int.MaxValue, dimension, dimension), leftOut);
            policies = Policies.Default(dimension, leftOut);
        }

        var geometry = new CacheGeometry { Layers = result.GetValue(_layers), KvHeads = result.GetValue(_kvHeads), KeyDimension = dimension, ValueDimension = dimension };
        var speed = new DecodeSpeed
        {
            Pairs = pairs,
            Policies = Policies.Named(policies, geometry, source: null),
            Layers = geometry.Layers,
            Dimension = dimension,
            KvHeads = geometry.KvHeads,
            Group = result.GetValue(_group),
            Width = result.GetValue(_width),
            FeedForward = result.GetValue(_feedForward),
            Tokens = result.GetValue(_tokens),
            Prompt = result.GetValue(_prompt),
            Window = result.GetValue(_window),
            Sinks = result.GetValue(_sinks),
            Arithmetic = arithmetic,
            WeightFormat = result.GetValue(_weights)!,
            CopyWeights = result.GetValue(_copyWeights),
            Threads = result.GetValue(_threads),
            Time = TimeSpan.FromSeconds(result.GetValue(_seconds)),
        };
        // The first row: keys and values of 4 bytes.
        int most = Math.Max(speed.Tokens, speed.Prompt);
        MemoryNeed.Check($"{most} tokens of {speed.Layers} layers of {speed.KvHeads} heads with {speed.Dimension} numbers", most, speed.Layers, speed.KvHeads, speed.Dimension, 2 * 4);
        IReadOnlyList<DecodeSpeedResult> found = [];
        terminal.WithProgress("measuring", json, done => found = speed.Run(done, terminal.Cancellation));
        if (!json)
            terminal.Out.WriteLine(Processor.Summary);
        Tables.Write(terminal, json, speed.Prompt > 0 ? [.. Columns, .. PromptColumns] : Columns, found);
        Tables.WriteLeftOut(terminal, json, leftOut);
    }
}
