using System.CommandLine;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant trace</c>: records what a model puts into its cache.</summary>
internal sealed class TraceVerb : Verb
{
    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<string?> _text = CommonOptions.Text();
    private readonly Option<string> _output = CommonOptions.Output("--output", OutputKind.Trace, "The trace to write.", "-o");
    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", 512, 1, 1 << 20, "Tokens to record");
    private readonly Option<int> _skip = CommonOptions.Number("--skip", 0, 0, int.MaxValue, "Tokens of the text to leave out before");
    private readonly Option<string> _type = CommonOptions.TraceType();
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Threads that compute");

    public TraceVerb()
        : base("trace", "Record the keys, values and queries of a model that reads a text.")
    {
        foreach (Option option in (Option[])[_model, _text, _output, _tokens, _skip, _type, _threads])
            Add(option);
    }

    public override string Details => """
            The model reads the text without compression; keys and queries are recorded as they meet each other, after rotary embedding.
            A model that wants a token in front of every text gets it, and it is one of those recorded. The trace is for
            'kvant evaluate TRACE' and for other tools: docs/formats/trace.md.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant trace -o trace.safetensors",
        "kvant trace --model llama-3.2-1b-q8_0.gguf --text book.txt --skip 1000 --tokens 2048 -o trace.safetensors",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string path = result.GetValue(_model) ?? Shipped.Model, text = result.GetValue(_text) ?? Shipped.Text, output = result.GetRequiredValue(_output);
        using LanguageModel model = LanguageModel.Open(path);
        Files.AddParts(model.File.Paths);
        int[] tokens = Tokens(text, Tokenizer.Read(model.File), result.GetValue(_skip), result.GetValue(_tokens));
        if (tokens.Length > model.Config.ContextLength)
            terminal.Error.WriteLine($"kvant: warning: the text has {tokens.Length} tokens; the model was trained on {model.Config.ContextLength} and its keys may be unusual beyond");
        ElementType type = result.GetValue(_type) == "f32" ? ElementType.F32 : ElementType.F16;
        try
        {
            terminal.WithProgress("recording", json, done => Files.Write(output, staged =>
                TraceRecorder.Record(model, tokens, staged, type, new DecoderOptions { Threads = result.GetValue(_threads), BeyondContext = true }, done, terminal.Cancellation)));
        }
        catch (ArgumentException e) when (type == ElementType.F16 || !model.CacheGeometry.IsUniform)
        {
            throw new InvalidDataException($"{path}: {Failures.Sentence(e)}{(model.CacheGeometry.IsUniform ? "; use --type f32" : "")}", e);
        }

        using Trace written = Trace.Open(output);
        Tables.Write(terminal, json, TraceColumns.All, [written]);
    }

    private static int[] Tokens(string path, Tokenizer tokenizer, int skip, int count)
    {
        int[] tokens = tokenizer.Encode(TextFile.Read(path));
        int begin = tokenizer.AddsBegin ? 1 : 0;
        if (tokens.Length - skip < count)
            throw new InvalidDataException($"{path}: the text has {tokens.Length} tokens; {(skip > 0 ? $"{skip} to skip and " : "")}{count} to record are wanted");
        return [.. tokens[..begin], .. tokens.AsSpan(skip + begin, count - begin)];
    }
}
