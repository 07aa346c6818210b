using Kvant.Formats;

namespace Kvant.Cli.Output;

/// <summary>How a trace that was written is described.</summary>
internal static class TraceColumns
{
    public static IReadOnlyList<Column<Trace>> All { get; } =
    [
        Column<Trace>.OfText("file", "file", t => t.Path),
        Column<Trace>.OfInteger("layers", "layers", t => t.Layers),
        Column<Trace>.OfInteger("kvHeads", "kv heads", t => t.KvHeads),
        Column<Trace>.OfInteger("queryHeads", "query heads", t => t.QueryHeads),
        Column<Trace>.OfInteger("tokens", "tokens", t => t.Tokens),
        Column<Trace>.OfInteger("keyDimension", "key dimension", t => t.KeyDimension),
        Column<Trace>.OfInteger("valueDimension", "value dimension", t => t.ValueDimension),
        Column<Trace>.OfInteger("fileBytes", "file bytes", t => new FileInfo(t.Path).Length),
    ];
}
