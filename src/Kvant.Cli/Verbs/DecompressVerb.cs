using System.CommandLine;
using Kvant.Cli.Output;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant decompress</c>: a compressed cache file becomes a trace again.</summary>
internal static class DecompressVerb
{
    private static readonly Argument<string> Input = CommonOptions.File("FILE", "The compressed cache file.");
    private static readonly Option<string> Output = CommonOptions.Output("--output", "The trace to write.", "-o");
    private static readonly Option<string> Type = new Option<string>("--type")
    {
        Description = "How the trace stores its numbers: f16 (half the size) or f32 (exactly what was decoded).",
        HelpName = "f16|f32",
        DefaultValueFactory = _ => "f16",
    };

    private static readonly Option<bool> Json = CommonOptions.Json();

    private static readonly Column<Trace>[] Columns =
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

    public static Verb Create(Terminal terminal)
    {
        var verb = new Verb("decompress", "Decode a compressed cache file into a trace.")
        {
            Details = """
                The trace has the decoded keys and values, the queries that were carried along and the metadata of the trace that
                was compressed. Every checksum is verified; where one is wrong, no trace is written.
                """,
            Examples = ["kvant decompress cache.kvant -o decoded.safetensors"],
        };
        Type.AcceptOnlyFromAmong("f16", "f32");
        verb.Add(Input);
        foreach (Option option in (Option[])[Output, Type, Json])
            verb.Add(option);
        verb.SetAction(result => Run(terminal, result));
        return verb;
    }

    private static void Run(Terminal terminal, ParseResult result)
    {
        string input = result.GetRequiredValue(Input), output = result.GetRequiredValue(Output);
        bool json = result.GetValue(Json);
        ElementType type = result.GetValue(Type) == "f32" ? ElementType.F32 : ElementType.F16;
        OutputFile.Check(output, input);
        using CompressedCacheFile file = CompressedCacheFile.Open(input);
        terminal.WithProgress("decompressing", json, done => OutputFile.Write(output, () =>
            CompressedCache.Decompress(file, output, type, new LayerProgress(file.Layout.Geometry.Layers, done), terminal.Cancellation)));
        using Trace written = Trace.Open(output);
        Tables.Write(terminal, json, Columns, [written]);
    }
}
