using System.CommandLine;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant decompress</c>: a compressed cache file becomes a trace again.</summary>
internal sealed class DecompressVerb : Verb
{
    private readonly Argument<string> _input = CommonOptions.File("FILE", "The compressed cache file.");
    private readonly Option<string> _output = CommonOptions.Output("--output", OutputKind.Trace, "The trace to write.", "-o");
    private readonly Option<string> _type = CommonOptions.TraceType();

    public DecompressVerb()
        : base("decompress", "Decode a compressed cache file into a trace.")
    {
        Add(_input);
        Add(_output);
        Add(_type);
    }

    public override string Details => """
            The trace has the decoded keys and values of all tokens that are not evicted, the queries that were carried along and
            the metadata of the trace that was compressed. Caches that a program froze have neither of these two. Every checksum
            is verified; where one is wrong, no trace is written.
            """;

    public override IReadOnlyList<string> Examples => ["kvant decompress cache.kvant -o decoded.safetensors"];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string input = result.GetRequiredValue(_input), output = result.GetRequiredValue(_output);
        ElementType type = result.GetValue(_type) == "f32" ? ElementType.F32 : ElementType.F16;
        using CacheFile file = CacheFile.Open(input);
        try
        {
            terminal.WithProgress("decompressing", json, done => Files.Write(output, path =>
                file.Decompress(path, type, new ShareProgress<int>(layers => (double)layers / file.Options.Geometry.Layers, done), "kvant decompress", terminal.Cancellation)));
        }
        catch (ArgumentException e) when (type == ElementType.F16)
        {
            throw new InvalidDataException($"{input}: {Failures.Sentence(e)}; use --type f32", e);
        }

        using Trace written = Trace.Open(output);
        Tables.Write(terminal, json, TraceColumns.All, [written]);
    }
}
