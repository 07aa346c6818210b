using System.CommandLine;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant inspect</c>: what a compressed cache file holds.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string> _input = CommonOptions.File("FILE", "The compressed cache file.");

    private static readonly Column<CompressedCacheFile>[] Fields =
    [
        Column<CompressedCacheFile>.OfText("file", "file", f => f.Path),
        Column<CompressedCacheFile>.OfInteger("fileBytes", "file bytes", f => f.Length),
        Column<CompressedCacheFile>.OfText("checksums", "checksums", _ => "ok"),
        Column<CompressedCacheFile>.OfInteger("layers", "layers", f => f.Layout.Geometry.Layers),
        Column<CompressedCacheFile>.OfInteger("kvHeads", "kv heads", f => f.Layout.Geometry.KvHeads),
        Column<CompressedCacheFile>.OfInteger("queryHeads", "query heads", f => f.Layout.QueryHeads),
        Column<CompressedCacheFile>.OfInteger("tokens", "tokens", f => f.Layout.Tokens),
        Column<CompressedCacheFile>.OfInteger("keyDimension", "key dimension", f => f.Layout.Geometry.KeyDimension),
        Column<CompressedCacheFile>.OfInteger("valueDimension", "value dimension", f => f.Layout.Geometry.ValueDimension),
        Column<CompressedCacheFile>.OfValue("specs", "codecs", f => string.Join('\n', Runs(f.Layout.Policy).Select(Describe)), WriteSpecs),
        Column<CompressedCacheFile>.OfInteger("keyBytes", "bytes of keys", f => f.Layout.EstimateMemory().KeyBytes),
        Column<CompressedCacheFile>.OfInteger("valueBytes", "bytes of values", f => f.Layout.EstimateMemory().ValueBytes),
        Column<CompressedCacheFile>.OfInteger("tailBytes", "bytes of rows outside blocks", f => f.Layout.EstimateMemory().TailBytes),
        Column<CompressedCacheFile>.OfInteger("stateBytes", "bytes of per-head state", f => f.Layout.EstimateMemory().StateBytes),
        Column<CompressedCacheFile>.OfInteger("bytes", "bytes in all", f => f.Layout.EstimateMemory().TotalBytes),
        Column<CompressedCacheFile>.OfInteger("fp16Bytes", "bytes as fp16", f => f.Layout.EstimateMemory().Fp16Bytes),
        Column<CompressedCacheFile>.OfReal("bitsPerValue", "bits per value", "0.000", f => f.Layout.EstimateMemory().BitsPerValue),
        Column<CompressedCacheFile>.OfReal("ratio", "times smaller than fp16", "0.00", f => f.Layout.EstimateMemory().CompressionRatio),
    ];

    private static readonly Column<LayerRun>[] RunFields =
    [
        Column<LayerRun>.OfInteger("firstLayer", "", r => r.First),
        Column<LayerRun>.OfInteger("lastLayer", "", r => r.Last),
        Column<LayerRun>.OfText("keys", "", r => r.Specs.Keys.FullText),
        Column<LayerRun>.OfText("values", "", r => r.Specs.Values.FullText),
    ];

    /// <summary>Layers one after the other that have the same codecs.</summary>
    private sealed record LayerRun(int First, int Last, LayerSpecs Specs);

    public InspectVerb()
        : base("inspect", "Show what a compressed cache file holds, and verify it.")
    {
        Add(_input);
    }

    public override string Details => """
            Shape, codecs, the bytes of each part, and how much smaller that is than 16-bit floats. All checksums are verified:
            a damaged file ends with exit code 1 and the name of the damaged tensor.
            """;

    public override IReadOnlyList<string> Examples => ["kvant inspect cache.kvant", "kvant inspect cache.kvant --json | jq .ratio"];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        using CompressedCacheFile file = CompressedCacheFile.Open(result.GetRequiredValue(_input));
        file.VerifyChecksums();
        Tables.WriteOne(terminal, json, Fields, file);
    }

    private static List<LayerRun> Runs(LayerPolicy policy)
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

    private static string Describe(LayerRun run) =>
        $"{(run.First == run.Last ? $"layer {run.First}" : $"layers {run.First} to {run.Last}")}: keys {run.Specs.Keys}, values {run.Specs.Values}";

    private static void WriteSpecs(Utf8JsonWriter json, CompressedCacheFile file)
    {
        json.WriteStartArray();
        foreach (LayerRun run in Runs(file.Layout.Policy))
            Json.WriteObject(json, RunFields, run);
        json.WriteEndArray();
    }
}
