using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Speed;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant bench encode</c>: how fast rows become bytes.</summary>
internal sealed class BenchEncodeVerb : Verb
{
    private readonly Methods _methods = new("Without any of these: those of the default comparison, and the recommended preset.");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 1, Codec.MaxDimension, "Numbers in a row");
    private readonly Option<int> _kvHeads = CommonOptions.Number("--kv-heads", 8, 1, 1024, "Key-value heads of the layer that tokens are appended to");
    private readonly Option<int> _appends = CommonOptions.Number("--appends", 4096, 1, 1 << 20, "Tokens that are appended one by one in a round");
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly Option<double> _seconds = SpeedOptions.Seconds(1, "How long each codec is measured");

    private static readonly Column<EncodeSpeedResult>[] Columns =
    [
        Column<EncodeSpeedResult>.OfSpec("codec", "codec", r => r.Codec),
        Column<EncodeSpeedResult>.OfInteger("dimension", "", r => r.Dimension),
        Column<EncodeSpeedResult>.OfReal("nsPerRow", "ns/row", "0.0", r => r.NsPerRow),
        Column<EncodeSpeedResult>.OfReal("millionPerSecond", "M rows/s", "0.00", r => r.MillionPerSecond),
        Column<EncodeSpeedResult>.OfReal("ratioToCopy", "x copy", "0.0", r => r.RatioToCopy),
        Column<EncodeSpeedResult>.OfReal("ratioToRotation", "x rotation", "0.00", r => r.RatioToRotation),
        Column<EncodeSpeedResult>.OfError("nmse", "nMSE", r => r.Nmse, minor: true),
        Column<EncodeSpeedResult>.OfReal("appendMicroseconds", "append us", "0.00", r => r.AppendMicroseconds),
        Column<EncodeSpeedResult>.OfReal("closingAppendMicroseconds", "closing us", "0.0", r => r.ClosingAppendMicroseconds),
        Column<EncodeSpeedResult>.OfReal("slowestAppendMicroseconds", "slowest us", "0.0", r => r.SlowestAppendMicroseconds),
        Column<EncodeSpeedResult>.OfReal("allocatedPerAppend", "allocated B", "0.##", r => r.AllocatedPerAppend),
    ];

    public BenchEncodeVerb()
        : base("encode", "Measure how fast codecs encode rows and a cache takes tokens.")
    {
        foreach (Option option in (Option[])[.. _methods.Options, _dimension, _kvHeads, _appends, _window, _sinks, _seconds])
            Add(option);
    }

    public override string Details => """
            One row per pair of codecs and per policy, one thread. x copy and x rotation: how many times longer encoding a row takes than copying it and than
            rotating it (signs and Hadamard) without coding. append: the mean time of appending one token, keys and values of all heads
            of a layer, to a cache; closing: the median of those that close blocks; slowest: the longest; allocated: managed bytes by append.
            All contenders run in turn in one process, medians count, and what was encoded must decode to the rows.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant bench encode",
        "kvant bench encode --policy balanced --codec turboquant:bits=4 --dimension 64",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        List<LayerSpecs> pairs = _methods.Pairs(result);
        string[] policies = _methods.Policies(result);
        int dimension = result.GetValue(_dimension);
        List<LeftOut> leftOut = [];
        if (pairs.Count == 0 && policies.Length == 0)
        {
            pairs = DefaultCodecs.Pairs.SelectMany(p => (CodecSpec[])[p.Keys, p.Values]).Append(CodecSpec.Parse("turboquant:bits=4,search=16"))
                .Distinct().Select(LayerSpecs.Both).Fitting(p => p.Misfit(int.MaxValue, dimension, dimension), leftOut);
            policies = Policies.Default(dimension, leftOut);
        }

        var speed = new EncodeSpeed
        {
            Pairs = pairs,
            Policies = Policies.OfOneLayer(policies, dimension, dimension),
            Dimension = dimension,
            KvHeads = result.GetValue(_kvHeads),
            Appends = result.GetValue(_appends),
            Window = result.GetValue(_window),
            Sinks = result.GetValue(_sinks),
            Time = TimeSpan.FromSeconds(result.GetValue(_seconds)),
        };
        // The codec with the most bytes among the usual: keys and values of 2 bytes.
        MemoryNeed.Check($"{speed.Appends} tokens of {speed.KvHeads} heads with {dimension} numbers", speed.Appends, speed.KvHeads, dimension, 2 * 2);
        IReadOnlyList<EncodeSpeedResult> found = [];
        terminal.WithProgress("measuring", json, done => found = speed.Run(done, terminal.Cancellation));
        if (!json)
        {
            terminal.Out.WriteLine(Processor.Summary);
            terminal.Out.WriteLine($"rows of {dimension}, {speed.Appends} appends to {speed.KvHeads} heads, one thread");
        }

        Tables.Write(terminal, json, Columns, found);
        Tables.WriteLeftOut(terminal, json, leftOut);
    }
}
