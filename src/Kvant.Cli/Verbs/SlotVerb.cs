using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Formats;
using Kvant.LlamaCpp;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant slot</c>: a state that llama.cpp wrote becomes smaller, and is restored.</summary>
internal sealed class SlotVerb : Verb
{
    private readonly Argument<string> _input = CommonOptions.File("FILE", "A state that llama.cpp wrote, or one that this command compressed.");
    private readonly Option<string?> _output = CommonOptions.OptionalOutput("--output", OutputKind.Slot, "The file to write: the compressed state, or with --restore the state.", "-o");
    private readonly Option<string?> _policy = Policies.Option();
    private readonly Option<string?> _model = CommonOptions.Model("The model (GGUF) that the state is of: keys compress better where its heads and positions are known, and the state remembers which one it is.");
    private readonly Option<bool> _restore = new("--restore") { Description = "Turn a compressed state back into one that llama.cpp reads." };
    private readonly Option<bool> _inspect = new("--inspect") { Description = "Show what the file holds, and verify it; nothing is written." };

    private static readonly Column<Slot>[] Fields =
    [
        Column<Slot>.OfText("file", "file", s => s.Path),
        Column<Slot>.OfText("kind", "kind", s => s.Kind),
        Column<Slot>.OfText("architecture", "architecture", s => s.Architecture ?? "not said"),
        Column<Slot>.OfText("identity", "belongs to", s => s.Identity),
        Column<Slot>.OfInteger("tokens", "tokens", s => s.Tokens),
        Column<Slot>.OfInteger("cells", "cells", s => s.Cells),
        Column<Slot>.OfInteger("stateBytes", "bytes of the state", s => s.StateBytes),
        Column<Slot>.OfInteger("fileBytes", "bytes of the file", s => s.FileBytes),
        Column<Slot>.OfReal("ratio", "times smaller", "0.00", s => (double)s.StateBytes / s.FileBytes),
    ];

    public SlotVerb()
        : base("slot", "Compress a saved state of llama.cpp, and restore it.")
    {
        Add(_input);
        foreach (Option option in (Option[])[_output, _policy, _model, _restore, _inspect])
            Add(option);
    }

    public override string Details => """
            FILE is what 'llama-server --slot-save-path' or '--prompt-cache' of llama.cpp wrote, or a program that saved a state.
            All of it is checked before anything is written, on the way back too: llama.cpp believes what a state says.
            Keys and values in f32, f16 and bf16 are compressed, those in q8_0 and the like are kept as they are.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant slot slot.bin -o slot.kvant",
        "kvant slot slot.bin -o slot.kvant --policy quality --model MODEL.gguf",
        "kvant slot slot.kvant -o slot.bin --restore",
        "kvant slot slot.kvant --inspect",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string input = result.GetRequiredValue(_input);
        string? output = result.GetValue(_output);
        bool restores = result.GetValue(_restore), inspects = result.GetValue(_inspect);
        if (inspects == output is not null || (inspects && restores))
            throw new UsageException("--output is wanted, or --inspect alone; see 'kvant slot --help'");
        if ((restores || inspects) && result.GetValue(_policy) is not null)
            throw new UsageException("--policy says how a state is compressed; leave it out");
        Slot slot = inspects ? Inspect(result, input, terminal)
            : restores ? Restore(result, input, output!, terminal, json) : Compress(result, input, output!, terminal, json);
        Tables.WriteOne(terminal, json, Fields, slot);
    }

    private Slot Compress(ParseResult result, string input, string output, Terminal terminal, bool json)
    {
        using FileStream source = File.OpenRead(input);
        LlamaState state = Read(source, input);
        using LanguageModel? model = ModelOf(result);
        LlamaStateOptions options = new() { Geometry = model?.CacheGeometry, Identity = model?.Identity };
        if (result.GetValue(_policy) is { } text)
            options = WithPolicy(options, text);
        terminal.WithProgress("compressing", json, done => Files.Write(output, path =>
        {
            using AtomicFile destination = AtomicFile.Create(path);
            LlamaStateFile.Compress(state, destination.Stream, options, new ShareProgress(done), terminal.Cancellation);
            destination.Commit();
        }));
        return Slot.Of(output);
    }

    private Slot Restore(ParseResult result, string input, string output, Terminal terminal, bool json)
    {
        using FileStream source = File.OpenRead(input);
        LlamaStateFile file = LlamaStateFile.Open(source, input);
        RequireModel(result, file, input);
        terminal.WithProgress("restoring", json, done => Files.Write(output, path =>
        {
            using AtomicFile destination = AtomicFile.Create(path);
            file.Restore(destination.Stream, 0, new ShareProgress(done), terminal.Cancellation);
            RequireEnd(source, input);
            // Read once more, as llama.cpp will.
            destination.Stream.Position = 0;
            _ = LlamaState.Read(destination.Stream);
            destination.Commit();
        }));
        return Slot.Of(input);
    }

    private Slot Inspect(ParseResult result, string input, Terminal terminal)
    {
        using FileStream source = File.OpenRead(input);
        if (!Slot.IsCompressed(input))
            return Slot.Of(input, Read(source, input));
        LlamaStateFile file = LlamaStateFile.Open(source, input);
        RequireModel(result, file, input);
        file.Verify(0, terminal.Cancellation);
        RequireEnd(source, input);
        return Slot.Of(input);
    }

    // Behind the last frame of a stream something else may come, behind that of a file nothing.
    private static void RequireEnd(FileStream source, string input)
    {
        if (source.Length - source.Position is > 0 and var rest)
            throw new InvalidDataException($"{input}: {rest} bytes are left over behind its end");
    }

    private static LlamaState Read(FileStream source, string input)
    {
        if (Slot.IsCompressed(input))
            throw new UsageException($"'{input}' is compressed already; --restore turns it back");
        try
        {
            return LlamaState.Read(source);
        }
        catch (InvalidDataException refused)
        {
            throw new InvalidDataException($"{input}: {refused.Message}", refused);
        }
    }

    private LanguageModel? ModelOf(ParseResult result) => result.GetValue(_model) is { } path ? LanguageModel.Open(path) : null;

    private void RequireModel(ParseResult result, LlamaStateFile file, string input)
    {
        using LanguageModel? model = ModelOf(result);
        if (model is not null && model.Identity != file.Identity)
            throw new InvalidDataException($"{input}: it belongs to {file.Identity}; the model is {model.Identity}");
    }

    // A preset is the same for every layer; a file says what model's layers it is for.
    private static LlamaStateOptions WithPolicy(LlamaStateOptions options, string text)
    {
        if (CachePreset.Find(text) is { } preset)
            return options with { Policy = preset.ForLayers(1) };
        if (options.Geometry is null)
            throw new UsageException($"the policy '{text}' is for the layers of a model; name it with --model");
        CachePolicy policy = Policies.Load(text, options.Geometry, source: null);
        return options with { Policy = policy.Layers, Sinks = policy.Sinks, Window = policy.Window };
    }

    /// <summary>A state in a file, for a table.</summary>
    private sealed record Slot(string Path, string Kind, string? Architecture, string Identity, long Tokens, long Cells, long StateBytes, long FileBytes)
    {
        public static bool IsCompressed(string path)
        {
            using FileStream stream = File.OpenRead(path);
            byte[] start = new byte[8];
            return LlamaStateFile.IsCompressed(start.AsSpan(0, stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
        }

        public static Slot Of(string path)
        {
            using FileStream stream = File.OpenRead(path);
            LlamaStateFile file = LlamaStateFile.Open(stream, path);
            return new(path, Words(file.Kind), file.Architecture, file.Identity.ToString(), file.Tokens.Count, file.Cells, file.StateBytes, stream.Length);
        }

        public static Slot Of(string path, LlamaState state) =>
            new(path, Words(state.Kind), state.Architecture, new CacheIdentity().ToString(), state.Tokens.Count, state.Cells, state.Length, state.Length);

        private static string Words(LlamaStateKind kind) => kind switch
        {
            LlamaStateKind.Sequence => "a sequence",
            LlamaStateKind.SequenceFile => "a sequence file",
            LlamaStateKind.Context => "a context",
            _ => "a session file",
        };
    }
}
