using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant plan</c>: what a model's cache takes with each method.</summary>
internal sealed class PlanVerb : Verb
{
    private readonly Option<int> _layers = CommonOptions.Number("--layers", 32, 1, 4096, "Layers of the model");
    private readonly Option<int> _kvHeads = CommonOptions.Number("--kv-heads", 8, 1, 4096, "Key-value heads in a layer");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 1, Codec.MaxDimension, "Numbers in a key, and in a value unless --value-dimension is given");
    private readonly Option<int> _valueDimension = CommonOptions.Number("--value-dimension", 0, 1, Codec.MaxDimension, "Numbers in a value");
    private readonly Option<int> _context = CommonOptions.Number("--context", 131072, 1, int.MaxValue, "Tokens");
    private readonly Option<CodecSpec[]> _codecs = CommonOptions.Specs("--codec", "A codec for keys and values alike; may be repeated.");
    private readonly Option<CodecSpec[]> _keys = CommonOptions.Specs("--keys", "A codec for keys; may be repeated, and goes with the --values in the same place.");
    private readonly Option<CodecSpec[]> _values = CommonOptions.Specs("--values", "A codec for values; may be repeated. One --keys goes with every --values, and the other way round.");
    private readonly Option<string?> _policy = Policies.Option();
    private readonly Option<int> _window = CommonOptions.Number("--window", 64, 0, int.MaxValue / 2, "Newest tokens in 16-bit floats");
    private readonly Option<int> _sinks = CommonOptions.Number("--sinks", 4, 0, int.MaxValue / 2, "First tokens in 16-bit floats");
    private readonly Option<int> _drafts = CommonOptions.Number("--drafts", 0, 0, int.MaxValue / 2, "Tokens of the longest draft that may be refused, in 16-bit floats beside the window");
    private readonly Option<long?> _memory = SpeedOptions.Size("--memory", "Also say the longest context that fits into this: a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB.");

    public PlanVerb()
        : base("plan", "Say what the cache of a model takes with each method, and how long a context fits.")
    {
        _valueDimension.DefaultValueFactory = null;
        foreach (Option option in (Option[])[_layers, _kvHeads, _dimension, _valueDimension, _context, _codecs, _keys, _values, _policy, _window, _sinks, _drafts, _memory])
            Add(option);
    }

    public override string Details => """
            One row per pair of codecs, from many bytes to few. The bytes are those that a cache holds after so many tokens, everything
            counted: codes, scales, the window, drafts and the sinks in 16-bit floats, and memory that waits for rows to come. bytes/token is
            that by token; x fp16 compares it with the same tokens in 16-bit floats. Without --codec, --keys and --values: the pairs
            of 'kvant evaluate'.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant plan",
        "kvant plan --layers 32 --kv-heads 8 --dimension 128 --context 131072 --memory 8GiB",
        "kvant plan --keys q8 --values turboquant:bits=3 --context 32768",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        int dimension = result.GetValue(_dimension);
        var geometry = new CacheGeometry
        {
            Layers = result.GetValue(_layers),
            KvHeads = result.GetValue(_kvHeads),
            KeyDimension = dimension,
            ValueDimension = result.GetResult(_valueDimension) is null ? dimension : result.GetValue(_valueDimension),
        };
        int context = result.GetValue(_context), window = result.GetValue(_window), sinks = result.GetValue(_sinks), drafts = result.GetValue(_drafts);
        long? memory = result.GetValue(_memory);
        List<CodecPair> pairs = CodecPairs.Of(result.GetValue(_codecs), result.GetValue(_keys), result.GetValue(_values));
        string? policy = result.GetValue(_policy);
        List<LeftOut> leftOut = [];
        if (pairs.Count == 0 && policy is null)
            pairs = DefaultCodecs.Pairs.Fitting(p => p.Misfit(int.MaxValue, geometry.KeyDimension, geometry.ValueDimension), leftOut);
        IEnumerable<Row> planned = pairs.Select(pair => Plan(pair.Keys.ToString(), pair.Values.ToString(), LayerPolicy.Uniform(geometry.Layers, pair.Keys, pair.Values)));
        if (policy is not null)
            planned = planned.Append(PlanPolicy(policy, Policies.Load(policy, geometry, source: null).Layers));
        Row[] rows = [.. planned.OrderByDescending(r => r.Statistics.TotalBytes)];
        Tables.Write(terminal, json, Columns(context, memory is not null), rows);
        Tables.WriteLeftOut(terminal, json, leftOut);

        Row PlanPolicy(string name, LayerPolicy layers) =>
            layers.Distinct().Count() == 1 ? Plan($"{name}: {layers[0].Keys}", layers[0].Values.ToString(), layers) : Plan(name, "by layer", layers);

        Row Plan(string keys, string values, LayerPolicy layers)
        {
            var options = new KvCacheOptions { Geometry = geometry, Policy = layers, Window = window, Sinks = sinks, DraftTokens = drafts };
            LayerLayout[] layouts = LayerLayouts.Create(options);
            return new(keys, values, CachePlan.For(layouts, context), memory is { } bytes ? LongestContext(layouts, bytes) : 0);
        }
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
            Column<Row>.OfSpec("keys", "keys", r => r.Keys),
            Column<Row>.OfSpec("values", "values", r => r.Values),
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

    private sealed record Row(string Keys, string Values, CacheStatistics Statistics, int LongestContext);
}
