using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant compress</c>: a trace becomes a compressed cache file, or one that is there a smaller one.</summary>
internal sealed class CompressVerb : Verb
{
    private readonly Argument<string> _trace = CommonOptions.File("TRACE", "The recorded keys and values, a safetensors file with kvant.trace = 1; or a cache file, whose tokens are coded again.");
    private readonly RotaryOptions _rotary = new();
    private readonly Option<string> _output = CommonOptions.Output("--output", OutputKind.Cache, "The compressed cache file to write.", "-o");
    private readonly Option<CodecSpec?> _keys = CommonOptions.Spec("--keys", "The codec of the keys.");
    private readonly Option<CodecSpec?> _values = CommonOptions.Spec("--values", "The codec of the values.");
    private readonly Option<string?> _policy = Policies.Option();
    private readonly Option<int> _boundaryLayers = CommonOptions.Number("--boundary-layers", 0, 0, int.MaxValue, "How many layers at each end have codecs of their own (at most half of all)");
    private readonly Option<CodecSpec?> _boundaryKeys = CommonOptions.Spec("--boundary-keys", "The codec of the keys in those layers.");
    private readonly Option<CodecSpec?> _boundaryValues = CommonOptions.Spec("--boundary-values", "The codec of the values in those layers.");

    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", int.MaxValue, 0, int.MaxValue, "Of a cache file, how many of the oldest tokens are coded again");

    private static readonly Column<CacheFile>[] Columns =
    [
        Column<CacheFile>.OfText("file", "file", f => f.Path),
        Column<CacheFile>.OfInteger("tokens", "tokens", f => f.Tokens),
        CacheColumns.Bytes("cache bytes"),
        CacheColumns.Fp16Bytes("fp16 bytes"),
        CacheColumns.BitsPerValue("bits/value"),
        CacheColumns.Ratio("x fp16"),
        Column<CacheFile>.OfInteger("fileBytes", "file bytes", f => f.Length),
    ];

    public CompressVerb()
        : base("compress", "Compress the keys and values of a trace into a file.")
    {
        Add(_trace);
        foreach (Option option in (Option[])[_output, _keys, _values, _policy, _boundaryLayers, _boundaryKeys, _boundaryValues, _tokens, _rotary.Base, _rotary.Pairs])
            Add(option);
    }

    public override string Details => """
            The file holds everything that is needed to decode it elsewhere: codecs, shape, seeds and checksums. A program can
            thaw it into a cache. The trace's queries, if it has any, are carried along as they are. Rows that do not fill a
            block (of keys or values) stay as they are.
            Of a cache file the oldest tokens are coded again, as many as --tokens says, and the others stay as they are: it
            loses what both codecs lose.
            The first and last layers lose the most from coarse codes; --boundary-layers gives them codecs of their own.
            'kvant codecs' lists the codecs.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant compress trace.safetensors -o cache.kvant --keys turboquant:bits=4 --values turboquant:bits=3",
        "kvant compress trace.safetensors -o cache.kvant --policy balanced",
        "kvant compress cache.kvant -o smaller.kvant --policy small",
        "kvant compress trace.safetensors -o cache.kvant --keys q8 --values q8 --boundary-layers 1 --boundary-keys fp16",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string input = result.GetRequiredValue(_trace), output = result.GetRequiredValue(_output);
        int boundary = result.GetValue(_boundaryLayers);
        CodecSpec? boundaryKeys = result.GetValue(_boundaryKeys), boundaryValues = result.GetValue(_boundaryValues);
        if (boundary > 0 != (boundaryKeys is not null || boundaryValues is not null))
            throw new UsageException("--boundary-layers goes together with --boundary-keys, --boundary-values or both; see 'kvant compress --help'");

        if (FileKind.IsCache(input))
        {
            using CacheFile cache = CacheFile.Open(input);
            LayerPolicy codecs = Policy(result, cache.Options.Geometry).WithBoundary(boundary, boundaryKeys, boundaryValues);
            terminal.WithProgress("compressing", json, _ => Files.Write(output, path => cache.Recode(path, codecs, result.GetValue(_tokens))));
            using CacheFile smaller = CacheFile.Open(output);
            Tables.Write(terminal, json, Columns, [smaller]);
            return;
        }

        if (result.GetResult(_tokens) is { Implicit: false })
            throw new UsageException("--tokens goes with a cache file; all tokens of a trace are compressed");
        using Trace trace = Trace.Open(input, _rotary.Of(result));
        if (boundary > trace.Layers / 2)
            throw new UsageException($"--boundary-layers {boundary} is too much: the trace has {trace.Layers} layers, so at most {trace.Layers / 2} at each end");
        LayerPolicy policy = Policy(result, new CacheGeometry { Layers = trace.Layers, KvHeads = trace.KvHeads, KeyDimension = trace.KeyDimension, ValueDimension = trace.ValueDimension }).WithBoundary(boundary, boundaryKeys, boundaryValues);
        terminal.WithProgress("compressing", json, done => Files.Write(output, path =>
            CacheFile.Compress(trace, path, policy, new ShareProgress<int>(layers => (double)layers / trace.Layers, done), terminal.Cancellation)));
        using CacheFile written = CacheFile.Open(output);
        Tables.Write(terminal, json, Columns, [written]);
    }

    // A policy's sinks and window are of no use for a file, where everything is compressed; nor is it bound to the trace that it compresses.
    private LayerPolicy Policy(ParseResult result, CacheGeometry geometry) => (result.GetValue(_policy), result.GetValue(_keys), result.GetValue(_values)) switch
    {
        ({ } policy, null, null) => Policies.Load(policy, geometry, source: null).Layers,
        (null, { } keys, { } values) => LayerPolicy.Uniform(geometry.Layers, keys, values),
        (null, _, _) => throw new UsageException("--keys and --values are wanted, or --policy; see 'kvant compress --help'"),
        _ => throw new UsageException("--policy says which codecs; leave out --keys and --values, or --policy"),
    };
}
