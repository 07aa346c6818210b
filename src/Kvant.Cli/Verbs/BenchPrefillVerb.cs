using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Speed;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant bench prefill</c>: how fast a prompt goes through a layer.</summary>
internal sealed class BenchPrefillVerb : Verb
{
    private readonly Methods _methods = new("Without any of these: turboquant:bits=4, and the recommended preset.");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 1, Codec.MaxDimension, "Numbers in a key and in a value");
    private readonly Option<int> _kvHeads = CommonOptions.Number("--kv-heads", 8, 1, 1024, "Key-value heads of the layer");
    private readonly Option<int> _group = CommonOptions.Number("--group", 4, 1, 256, "Query heads that share a key-value head");
    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", 4096, 1, 1 << 17, "Tokens of the prompt");
    private readonly Option<int> _chunk = CommonOptions.Number("--chunk", 512, 1, 1 << 17, "Tokens that are taken at once");
    private readonly Option<int> _threads = CommonOptions.Number("--threads", 1, 1, 1024, "Threads that work on a chunk");
    private readonly Option<double> _seconds = SpeedOptions.Seconds(5, "How long each codec is measured, after one prompt and with four more at the least");

    private static readonly Column<PrefillSpeedResult>[] Columns =
    [
        Column<PrefillSpeedResult>.OfSpec("codec", "codec", r => r.Codec),
        Column<PrefillSpeedResult>.OfInteger("tokens", "tokens", r => r.Tokens),
        Column<PrefillSpeedResult>.OfInteger("chunk", "chunk", r => r.Chunk),
        Column<PrefillSpeedResult>.OfInteger("threads", "threads", r => r.Threads),
        Column<PrefillSpeedResult>.OfReal("tokensPerSecond", "tokens/s", "0", r => r.TokensPerSecond),
        Column<PrefillSpeedResult>.OfReal("ratioToFp32", "x fp32", "0.00", r => r.RatioToFp32),
        Column<PrefillSpeedResult>.OfError("outputError", "output error", r => r.OutputError),
    ];

    public BenchPrefillVerb()
        : base("prefill", "Measure how fast a prompt goes through the attention of a layer.")
    {
        foreach (Option option in (Option[])[.. _methods.Options, _dimension, _kvHeads, _group, _tokens, _chunk, _threads, _seconds])
            Add(option);
    }

    public override string Details => """
            One row per pair of codecs and per policy, the first without compression. tokens/s: tokens of the prompt in a second, attention and append of one layer;
            x fp32: that as a share of the first row's, the same code with 32-bit floats. output error: relative root mean square
            error of the last chunk's outputs. All run in turn in one process, and medians count.
            """;

    public override IReadOnlyList<string> Examples => ["kvant bench prefill", "kvant bench prefill --policy balanced --codec turboquant:bits=2 --tokens 2048 --chunk 2048"];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        List<LayerSpecs> pairs = _methods.Pairs(result);
        string[] policies = _methods.Policies(result);
        List<LeftOut> leftOut = [];
        int dimension = result.GetValue(_dimension);
        if (pairs.Count == 0 && policies.Length == 0)
        {
            pairs = new[] { LayerSpecs.Parse("turboquant:bits=4") }.Fitting(p => p.Misfit(int.MaxValue, dimension, dimension), leftOut);
            policies = Policies.Default(dimension, leftOut);
        }

        var speed = new PrefillSpeed
        {
            Pairs = pairs,
            Policies = Policies.OfOneLayer(policies, dimension, dimension),
            Dimension = dimension,
            KvHeads = result.GetValue(_kvHeads),
            Group = result.GetValue(_group),
            Tokens = result.GetValue(_tokens),
            Chunk = result.GetValue(_chunk),
            Threads = result.GetValue(_threads),
            Time = TimeSpan.FromSeconds(result.GetValue(_seconds)),
        };
        if ((long)speed.Tokens * speed.KvHeads * speed.Group * speed.Dimension > Array.MaxLength)
            throw new UsageException($"a prompt of {speed.Tokens} tokens is too long for so many heads; at most {Array.MaxLength / ((long)speed.KvHeads * speed.Group * speed.Dimension)} fit");
        MemoryNeed.Check($"queries of {speed.Tokens} tokens, {speed.KvHeads * speed.Group} heads with {speed.Dimension} numbers", speed.Tokens, speed.KvHeads, speed.Group, speed.Dimension, 4);
        IReadOnlyList<PrefillSpeedResult> found = [];
        terminal.WithProgress("measuring", json, done => found = speed.Run(done, terminal.Cancellation));
        if (!json)
            terminal.Out.WriteLine(Processor.Summary);
        Tables.Write(terminal, json, Columns, found);
        Tables.WriteLeftOut(terminal, json, leftOut);
    }
}
