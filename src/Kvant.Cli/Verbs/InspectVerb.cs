using System.CommandLine;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant inspect</c>: what a compressed cache file, or a chunk of a stored conversation, holds.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string> _input = CommonOptions.File("FILE", "The compressed cache file, or a chunk of a stored conversation.");

    // What layers differ in stands in a table of its own.
    private static Column<CacheFile>[] Fields(IReadOnlyList<LayerGroup> groups) =>
    [
        Column<CacheFile>.OfText("file", "file", f => f.Path),
        Column<CacheFile>.OfInteger("fileBytes", "file bytes", f => f.Length),
        Column<CacheFile>.OfText("checksums", "checksums", _ => "ok"),
        Column<CacheFile>.OfText("identity", "belongs to", f => f.Options.Identity?.ToString() ?? "no identity"),
        Column<CacheFile>.OfInteger("layers", "layers", f => f.Options.Geometry.Layers),
        Column<CacheFile>.OfInteger("kvHeads", groups.Count > 1 ? "" : "kv heads", f => f.Options.Geometry.KvHeads),
        Column<CacheFile>.OfInteger("queryHeads", "heads of carried queries", f => f.QueryHeads),
        Column<CacheFile>.OfInteger("tokens", "tokens", f => f.Tokens),
        Column<CacheFile>.OfInteger("liveRows", "living tokens, all layers", f => f.Statistics.LiveRows),
        Column<CacheFile>.OfInteger("keyDimension", groups.Count > 1 ? "" : "key dimension", f => f.Options.Geometry.KeyDimension),
        Column<CacheFile>.OfInteger("valueDimension", groups.Count > 1 ? "" : "value dimension", f => f.Options.Geometry.ValueDimension),
        Column<CacheFile>.OfInteger("sinks", "sinks", f => f.Options.Sinks),
        Column<CacheFile>.OfInteger("window", "window", f => f.Options.Window),
        Column<CacheFile>.OfText("eviction", "eviction", f => f.Options.Eviction switch
        {
            Eviction.Newest sliding => $"newest {sliding.Tokens}",
            Eviction.MaxTokens most => $"at most {most.Tokens}",
            _ => "none",
        }),
        Column<CacheFile>.OfValue("specs", groups.Count > 1 ? "" : "codecs", f => $"keys {f.Options.Policy[0].Keys}, values {f.Options.Policy[0].Values}", WriteSpecs),
        Column<CacheFile>.OfText("", groups.Count > 1 || groups[0].Specs.Ages.Count == 0 ? "" : "by age", f => string.Join("; ", f.Options.Policy[0].Ages)),
        Column<CacheFile>.OfValue("layerGroups", "", _ => "", (json, _) => Json.WriteObjects(json, LayerGroup.Columns, groups)),
        Column<CacheFile>.OfInteger("keyBytes", "bytes of keys", f => f.Statistics.KeyCodeBytes + f.Statistics.KeyScaleBytes),
        Column<CacheFile>.OfInteger("valueBytes", "bytes of values", f => f.Statistics.ValueCodeBytes + f.Statistics.ValueScaleBytes),
        Column<CacheFile>.OfInteger("tailBytes", "bytes of rows outside blocks", f => f.Statistics.WindowBytes + f.Statistics.SinkBytes),
        Column<CacheFile>.OfInteger("stateBytes", "bytes of per-head state", f => f.Statistics.StateBytes),
        CacheColumns.Bytes("bytes in all"),
        CacheColumns.Fp16Bytes("bytes as fp16"),
        CacheColumns.BitsPerValue("bits per value"),
        CacheColumns.Ratio("times smaller than fp16"),
    ];

    private static readonly Column<LayerRun>[] RunFields =
    [
        Column<LayerRun>.OfInteger("firstLayer", "", r => r.First),
        Column<LayerRun>.OfInteger("lastLayer", "", r => r.Last),
        Column<LayerRun>.OfText("keys", "", r => r.Specs.Keys.FullText),
        Column<LayerRun>.OfText("values", "", r => r.Specs.Values.FullText),
        Column<LayerRun>.OfText("ages", "", r => string.Join("; ", r.Specs.Ages)),
    ];

    /// <summary>Layers one after the other that have the same codecs.</summary>
    private sealed record LayerRun(int First, int Last, LayerSpecs Specs);

    public InspectVerb()
        : base("inspect", "Show what a compressed cache, or a stored chunk, holds, and verify it.")
    {
        Add(_input);
    }

    public override string Details => """
            Shape, codecs, the bytes of each part, and how much smaller that is than 16-bit floats; of files that 'kvant compress'
            wrote and of caches that a program froze. Layers that differ in shape or codecs stand in a table, those that are alike
            in one row. All checksums are verified: a damaged file ends with exit code 1 and the layer that is damaged. Of a chunk
            of a stored conversation: its key, the one before, its tokens, and all that its key depends on but the tenant.
            """;

    public override IReadOnlyList<string> Examples => ["kvant inspect cache.kvant", "kvant inspect cache.kvant --json | jq .ratio"];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string input = result.GetRequiredValue(_input);
        if (FileKind.IsChunk(input))
        {
            ChunkFile chunk = ChunkFile.Read(input);
            Tables.WriteOne(terminal, json, ChunkFile.Fields(chunk), chunk);
            return;
        }

        using CacheFile file = CacheFile.Open(input);
        file.Verify(terminal.Cancellation);
        IReadOnlyList<LayerGroup> groups = LayerGroup.Of(file);
        Tables.WriteOne(terminal, json, Fields(groups), file);
        if (groups.Count > 1 && !json)
            Tables.Write(terminal, json: false, LayerGroup.Columns, groups);
    }

    private static List<LayerRun> Runs(IReadOnlyList<LayerSpecs> policy)
    {
        List<LayerRun> runs = [];
        for (int layer = 0; layer < policy.Count; layer++)
        {
            if (runs.Count > 0 && runs[^1].Specs == policy[layer])
                runs[^1] = runs[^1] with { Last = layer };
            else
                runs.Add(new LayerRun(layer, layer, policy[layer]));
        }

        return runs;
    }

    private static void WriteSpecs(Utf8JsonWriter json, CacheFile file) => Json.WriteObjects(json, RunFields, Runs(file.Options.Policy));
}
