using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Speed;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant bench attention</c>: how fast one token attends to a layer.</summary>
internal sealed class BenchAttentionVerb : Verb
{
    private static readonly string[] s_codecs =
        ["fp32", "fp16", "q8", "q8_0", "q4_0", "kivi:bits=4", "kivi:bits=2", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2"];

    private static readonly string[] s_codecsOfDevices = ["fp32", "fp16", "q8", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2"];

    private readonly Methods _methods = new("Without any of these: the codecs that have kernels of their own, and the recommended preset.");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 1, Codec.MaxDimension, "Numbers in a key and in a value");
    private readonly Option<int> _kvHeads = CommonOptions.Number("--kv-heads", 8, 1, 1024, "Key-value heads of the layer");
    private readonly Option<int> _group = CommonOptions.Number("--group", 4, 1, 256, "Query heads that share a key-value head");
    private readonly Option<int[]> _tokens = SpeedOptions.Numbers("--tokens", [1024, 8192], 1, 1 << 20, "Cached tokens");
    private readonly Option<int> _threads = CommonOptions.Number("--threads", 1, 1, 1024, "Threads that work on a step");
    private readonly Option<bool> _cold = new("--cold") { Description = "Every step takes another layer, out of 384 MiB or more, as a model does; without it the same layer again." };
    private readonly Option<int> _window = CommonOptions.Window(0);
    private readonly Option<int> _sinks = CommonOptions.Sinks(0);
    private readonly Option<bool> _exact = new("--exact") { Description = "Compute in floats even where a codec has kernels in small integers, or a card matrix units." };
    private readonly Option<int?> _device = CommonOptions.Device();
    private readonly Option<double> _seconds = SpeedOptions.Seconds(1, "How long each codec is measured at each number of tokens");

    private static readonly Column<AttentionSpeedResult>[] Columns =
    [
        Column<AttentionSpeedResult>.OfSpec("codec", "codec", r => r.Codec),
        Column<AttentionSpeedResult>.OfInteger("tokens", "tokens", r => r.Tokens),
        Column<AttentionSpeedResult>.OfInteger("threads", "threads", r => r.Threads, minor: true),
        Column<AttentionSpeedResult>.OfValue("cold", "", r => r.Cold ? "yes" : "no", (json, r) => json.WriteBooleanValue(r.Cold)),
        Column<AttentionSpeedResult>.OfReal("nsPerTokenHead", "ns/token/head", "0.00", r => r.NsPerTokenHead),
        Column<AttentionSpeedResult>.OfReal("millionPerSecond", "M/s", "0.0", r => r.MillionPerSecond),
        Column<AttentionSpeedResult>.OfReal("compressedGBps", "GB/s", "0.0", r => r.CompressedGBps, minor: true),
        Column<AttentionSpeedResult>.OfReal("ratioToFp32", "x fp32", "0.00", r => r.RatioToFp32),
        Column<AttentionSpeedResult>.OfReal("ratioToRead", "of a read", "0.00", r => r.RatioToRead),
        Column<AttentionSpeedResult>.OfError("outputError", "output error", r => r.OutputError),
    ];

    public BenchAttentionVerb()
        : base("attention", "Measure how fast one token attends to the cache of a layer.")
    {
        foreach (Option option in (Option[])[.. _methods.Options, _dimension, _kvHeads, _group, _tokens, _threads, _cold, _window, _sinks, _exact, _device, _seconds])
            Add(option);
    }

    public override string Details => $"""
            One row per pair of codecs and per policy and number of tokens; the first of each number is plain attention over 32-bit floats, the baseline.
            ns/token/head: the time of one decode step by token and key-value head, for all query heads of its group. M/s: million such
            pairs in a second. GB/s: stored bytes read in a second. x fp32: how many times faster than the baseline. of a read: the
            share of the speed at which as many bytes can be read at all. output error: relative root mean square error against
            the baseline's output. All contenders run in turn in one process, medians count, and every answer is checked first: a
            wrong one is an error. Trust the ratios; times change with the machine's mood. Memory: about 6 GB with --cold.
            --device: the codecs' steps are those of a device, copies of queries and results there and back counted; the baseline stays the processor's, and --threads
            says nothing about the device. Compare its rows with its row of fp16. Codecs: those that have kernels there (docs/gpu.md).
            All tokens are compressed, so that codecs are compared; a cache's own --window is {KvCacheOptions.DefaultWindow} and its --sinks {KvCacheOptions.DefaultSinks}.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant bench attention",
        "kvant bench attention --cold --tokens 8192,32768 --threads 2",
        "kvant bench attention --device 0 --codec fp16 --codec turboquant:bits=4 --policy balanced",
        "kvant bench attention --policy balanced --keys turboquant:bits=4 --values turboquant:bits=3",
    ];

    private CacheGeometry GeometryOf(ParseResult result)
    {
        int dimension = result.GetValue(_dimension), heads = result.GetValue(_kvHeads);
        return new() { Layers = 1, KvHeads = heads, QueryHeads = heads * result.GetValue(_group), KeyDimension = dimension, ValueDimension = dimension };
    }

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        List<LayerSpecs> pairs = _methods.Pairs(result);
        string[] policies = _methods.Policies(result);
        int dimension = result.GetValue(_dimension);
        List<LeftOut> leftOut = [];
        Arithmetic arithmetic = result.GetValue(_exact) ? Arithmetic.Exact : Arithmetic.Fast;
        using DeviceSteps? device = result.GetValue(_device) is { } number ? new(number, arithmetic) : null;
        if (pairs.Count == 0 && policies.Length == 0)
        {
            pairs = (device is null ? s_codecs : s_codecsOfDevices).Select(text => LayerSpecs.Parse(text)).Fitting(p => p.Misfit(int.MaxValue, dimension, dimension), leftOut);
            policies = Policies.Default(dimension, leftOut);
            if (device is not null)
            {
                CacheGeometry geometry = GeometryOf(result);
                pairs = pairs.Fitting(p => device.WhyNot(p, geometry), leftOut);
                policies = [.. policies.Fitting(name => device.WhyNot(CachePreset.Named(name).ForLayers(1)[0], geometry), leftOut)];
            }
        }

        var speed = new AttentionSpeed
        {
            Steps = device,
            Pairs = pairs,
            Policies = Policies.OfOneLayer(policies, dimension, dimension),
            Dimension = dimension,
            KvHeads = result.GetValue(_kvHeads),
            Group = result.GetValue(_group),
            Tokens = result.GetValue(_tokens)!,
            Threads = result.GetValue(_threads),
            Cold = result.GetValue(_cold),
            Window = result.GetValue(_window),
            Sinks = result.GetValue(_sinks),
            Arithmetic = arithmetic,
            Time = TimeSpan.FromSeconds(result.GetValue(_seconds)),
        };
        // The baseline: keys and values of 4 bytes.
        MemoryNeed.Check($"{speed.Tokens.Max()} tokens of {speed.KvHeads} heads with {dimension} numbers", speed.Tokens.Max(), speed.KvHeads, dimension, 2 * 4);
        IReadOnlyList<AttentionSpeedResult> found = [];
        terminal.WithProgress("measuring", json, done => found = speed.Run(done, terminal.Cancellation));
        if (!json)
        {
            terminal.Out.WriteLine(Processor.Summary);
            if (device is not null)
                terminal.Out.WriteLine($"device: {device.Name}");
            terminal.Out.WriteLine($"dimension {dimension}, {speed.KvHeads} key-value heads with {speed.Group} query heads each, {(speed.Cold ? "cold" : "hot")}, {speed.Threads} {(speed.Threads == 1 ? "thread" : "threads")}");
        }

        Tables.Write(terminal, json, Columns, found);
        Tables.WriteLeftOut(terminal, json, leftOut);
    }
}
