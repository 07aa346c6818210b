using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant plan</c>: what a model's cache takes with each method.</summary>
internal sealed class PlanVerb : Verb
{
    private readonly Option<string?> _model = CommonOptions.Model("The model (GGUF) whose shape it is, in place of the options for the shape.");
    private readonly Option<int> _layers = CommonOptions.Number("--layers", 32, 1, 4096, "Layers of the model");
    private readonly Option<int> _kvHeads = CommonOptions.Number("--kv-heads", 8, 1, 4096, "Key-value heads in a layer");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 1, Codec.MaxDimension, "Numbers in a key, and in a value unless --value-dimension is given");
    private readonly Option<int> _valueDimension = CommonOptions.Number("--value-dimension", 0, 1, Codec.MaxDimension, "Numbers in a value");
    private readonly Option<int> _context = CommonOptions.Number("--context", 131072, 1, int.MaxValue, "Tokens");
    private readonly Methods _methods = new("Without any of these: the pairs of 'kvant evaluate' and the presets.");
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly Option<int> _drafts = CommonOptions.Number("--drafts", 0, 0, int.MaxValue / 2, "Tokens of the longest draft that may be refused, in 16-bit floats beside the window");
    private readonly Option<long?> _memory = SpeedOptions.Size("--memory", "Also say the longest context that fits into this: a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB.");

    public PlanVerb()
        : base("plan", "Say what the cache of a model takes with each method, and how long a context fits.")
    {
        _valueDimension.DefaultValueFactory = null;
        foreach (Option option in (Option[])[_model, .. Shape, _context, .. _methods.Options, _window, _sinks, _drafts, _memory])
            Add(option);
    }

    private Option<int>[] Shape => [_layers, _kvHeads, _dimension, _valueDimension];

    public override string Details => """
            One row per pair of codecs, from many bytes to few. The bytes are those that a cache holds after so many tokens, everything
            counted: codes, scales, the window, drafts and the sinks in 16-bit floats, and memory that waits for rows to come. bytes/token is
            that by token; x fp16 compares it with the same tokens in 16-bit floats. A policy file brings its own sinks and window, unless
            --sinks and --window are given.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant plan",
        "kvant plan --layers 32 --kv-heads 8 --dimension 128 --context 131072 --memory 8GiB",
        "kvant plan --model MODEL.gguf --policy balanced --policy small --context 32768",
        "kvant plan --keys q8 --values turboquant:bits=3 --context 32768",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        using LanguageModel? model = result.GetValue(_model) is { } path ? LanguageModel.Open(path) : null;
        if (model is not null && Array.Find(Shape, o => result.GetResult(o) is { Implicit: false }) is { } shape)
            throw new UsageException($"--model says the shape; leave out {shape.Name}, or --model");
        CacheGeometry geometry = model?.CacheGeometry ?? Given(result);
        int context = result.GetValue(_context);
        long? memory = result.GetValue(_memory);
        List<LayerSpecs> pairs = _methods.Pairs(result);
        string[] policies = _methods.Policies(result);
        List<LeftOut> leftOut = [];
        if (pairs.Count == 0 && policies.Length == 0)
        {
            pairs = DefaultCodecs.Pairs.Fitting(p => p.Misfit(int.MaxValue, geometry.KeyDimension, geometry.ValueDimension), leftOut);
            policies = [.. CachePreset.All.Fitting(p => p.Misfit(int.MaxValue, geometry.KeyDimension, geometry.ValueDimension), leftOut, p => p.Name).Select(p => p.Name)];
        }

        PolicySource? source = model?.PolicySource;
        Row[] rows =
        [
            .. pairs.Select(pair => Plan(Contestant.Of(pair, geometry.Layers), result.GetValue(_sinks), result.GetValue(_window))),
            .. policies.Select(PlanPolicy),
        ];
        rows = [.. rows.OrderByDescending(r => r.Statistics.TotalBytes)];
        Tables.Write(terminal, json, Columns(context, memory is not null), rows);
        if (!json)
            MethodColumns.WritePolicies(terminal, rows.Select(r => r.Method));
        Tables.WriteLeftOut(terminal, json, leftOut);

        Row PlanPolicy(string text)
        {
            CachePolicy policy = Policies.Load(text, geometry, source);
            return Plan(new Contestant(Policies.NameOf(text), policy.Layers), Of(_sinks, policy.Sinks), Of(_window, policy.Window));
        }

        int Of(Option<int> option, int ofPolicy) => result.GetResult(option) is { Implicit: false } ? result.GetValue(option) : ofPolicy;

        Row Plan(Contestant contestant, int sinks, int window)
        {
            var options = new KvCacheOptions { Geometry = geometry, Policy = contestant.Layers, Window = window, Sinks = sinks, DraftTokens = result.GetValue(_drafts) };
            LayerLayout[] layouts = LayerLayouts.Create(options);
            return new(contestant, CachePlan.For(layouts, context), memory is { } bytes ? LongestContext(layouts, bytes) : 0);
        }
    }

    private CacheGeometry Given(ParseResult result)
    {
        int dimension = result.GetValue(_dimension);
        return new()
        {
            Layers = result.GetValue(_layers),
            KvHeads = result.GetValue(_kvHeads),
            KeyDimension = dimension,
            ValueDimension = result.GetResult(_valueDimension) is null ? dimension : result.GetValue(_valueDimension),
        };
    }

    // More tokens never take fewer bytes.
    private static int LongestContext(LayerLayout[] layouts, long memory)
    {
        int fits = 0, above = int.MaxValue;
        while (above - fits > 1)
        {
            int middle = fits + ((above - fits) / 2);
            if (Fits(middle))
                fits = middle;
            else
                above = middle;
        }

        return fits;

        bool Fits(int tokens)
        {
            try
            {
                return CachePlan.For(layouts, tokens).TotalBytes <= memory;
            }
            catch (OverflowException)
            {
                return false; // more bytes than any memory has
            }
        }
    }

    private static Column<Row>[] Columns(int context, bool withLongest)
    {
        List<Column<Row>> columns =
        [
            .. MethodColumns.Of<Row>(r => r.Method),
            Column<Row>.OfText("policy", "", r => r.Contestant.Policy),
            Column<Row>.OfText("keys", "", r => r.Method.Keys),
            Column<Row>.OfText("values", "", r => r.Method.Values),
            Column<Row>.OfReal("bytesPerToken", "bytes/token", "0.#", r => (double)r.Statistics.TotalBytes / context),
            Column<Row>.OfInteger("totalBytes", "bytes", r => r.Statistics.TotalBytes, minor: true),
            Column<Row>.OfReal("", "GiB", "0.00", r => r.Statistics.TotalBytes / (double)(1L << 30)),
            Column<Row>.OfReal("ratio", "x fp16", "0.00", r => r.Statistics.CompressionRatio),
            Column<Row>.OfReal("bitsPerValue", "bits/value", "0.00", r => r.Statistics.BitsPerValue),
        ];
        if (withLongest)
            columns.Add(Column<Row>.OfInteger("longestContext", "longest context", r => r.LongestContext));
        return [.. columns];
    }

    private sealed record Row(Contestant Contestant, CacheStatistics Statistics, int LongestContext)
    {
        public (string? Policy, string Keys, string Values) Method => (Contestant.Policy, Contestant.Text(l => l.Keys.ToString()), Contestant.Text(l => l.Values.ToString()));
    }
}
