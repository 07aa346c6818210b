using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant generate</c>: a model writes text, its keys and values in a compressed cache.</summary>
internal sealed class GenerateVerb : Verb
{
    // Shorter prompts are read before anybody could look at a bar.
    private const int LongPrompt = 256;

    // Tokens of a prompt that meet each weight together.
    private const int Batch = 512;

    // Guesses that are read together; more would seldom be right.
    private const int MostDrafts = 64;

    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<string?> _prompt = new("--prompt") { Description = "What the model continues, or answers with --chat.", HelpName = "TEXT" };
    private readonly Option<string?> _file = CommonOptions.Input("--text", FileUse.Text, "A text that stands before the prompt, or is the prompt.");
    private readonly Option<bool> _chat = new("--chat") { Description = "The prompt is what a user says: write it as the model's family wants a conversation written." };
    private readonly Option<string?> _system = new("--system") { Description = "With --chat: what the model is told before the conversation.", HelpName = "TEXT" };
    private readonly Option<CodecSpec?> _codec = CommonOptions.Spec("--codec", "The codec of keys and values; fp16 for none. Without any of these: the preset " + CachePreset.Default.Name + ".");
    private readonly Option<CodecSpec?> _keys = CommonOptions.Spec("--keys", "The codec of the keys alone; needs --values.");
    private readonly Option<CodecSpec?> _values = CommonOptions.Spec("--values", "The codec of the values alone; needs --keys.");
    private readonly Option<string?> _policy = Policies.Option();
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly LimitOptions _limit = new("the cache");
    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", 256, 1, int.MaxValue, "Tokens to write at most");
    private readonly Option<int> _context = CommonOptions.Number("--context", 0, 0, int.MaxValue, "Tokens of prompt and text together at most; 0 for no limit");
    private readonly Option<int> _draft = CommonOptions.Number("--draft", 0, 0, MostDrafts, "Tokens to guess behind each, by what followed the last ones before; the text stays the same");
    private readonly SamplingOptions _sampling = new();
    private readonly Option<Arithmetic> _arithmetic = CommonOptions.Arithmetic(Arithmetic.Fast);
    private readonly Option<int?> _device = CommonOptions.Device();
    private readonly Option<bool> _copyWeights = CommonOptions.CopyWeights();
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Threads that compute");

    private static readonly Column<Generation>[] Columns =
    [
        Column<Generation>.OfText("model", "", g => g.Model),
        Column<Generation>.OfText("policy", "", g => g.Policy ?? ""),
        Column<Generation>.OfText("keys", "", g => string.Join(" | ", g.Layers.Select(l => l.Keys.ToString()).Distinct())),
        Column<Generation>.OfText("values", "", g => string.Join(" | ", g.Layers.Select(l => l.Values.ToString()).Distinct())),
        Column<Generation>.OfText("text", "", g => g.Written.Text),
        Column<Generation>.OfText("end", "", g => g.Written.End.ToString().ToLowerInvariant()),
        Column<Generation>.OfInteger("promptTokens", "", g => g.Prompt.Tokens),
        Column<Generation>.OfReal("promptTokensPerSecond", "", "", g => g.Prompt.PerSecond),
        Column<Generation>.OfInteger("tokens", "", g => g.Written.Speed.Tokens),
        Column<Generation>.OfReal("tokensPerSecond", "", "", g => g.Written.Speed.PerSecond),
        Column<Generation>.OfInteger("steps", "", g => g.Written.Steps),
        Column<Generation>.OfInteger("guesses", "", g => g.Written.Guesses),
        Column<Generation>.OfInteger("cacheBytes", "", g => g.Cache.TotalBytes),
        Column<Generation>.OfInteger("freeBytes", "", g => g.Cache.FreeBytes),
        Column<Generation>.OfInteger("fp16Bytes", "", g => g.Cache.Fp16Bytes),
        Column<Generation>.OfInteger("recodedRows", "", g => g.Cache.RecodedRows),
        Column<Generation>.OfReal("ratio", "", "", g => g.Cache.CompressionRatio),
        Column<Generation>.OfInteger("peakMemoryBytes", "", g => g.PeakMemory),
    ];

    public GenerateVerb()
        : base("generate", "Let a model write, its keys and values in a compressed cache.")
    {
        foreach (Option option in (Option[])[_model, _prompt, _file, _chat, _system, _codec, _keys, _values, _policy, _window, _sinks, .. _limit.All, _tokens, _context, _draft, .. _sampling.All, _arithmetic, _copyWeights, _device, _threads])
            Add(option);
    }

    public override string Details => """
            The text goes to the standard output as it comes, and at the end the speeds, the cache's bytes and the process's largest memory
            to the standard error. The prompt is read in batches: tokens of a batch see each other exactly and earlier ones as they
            decode. Generation ends where the model ends its text or turn, or after --tokens. Ctrl-C ends it too, with the same figures.
            --draft 6 guesses six tokens behind each that is written, by what followed the last ones where they stood before, and checks them in one
            pass of the model: the text is the same, greedy or drawn, and takes fewer passes where it repeats the prompt or itself. The figures say
            how many tokens a pass gave.
            --device 0 attends on a graphics card; everything else of the model stays on the processor, so this pays where the text is long, and hardly before. It attends in floats: where the
            processor attends in small integers, the text may differ by what those round.
            --memory-limit 64MiB lets the cache take no more: once it is full its oldest tokens are coded again in fewer bits, values first, down to
            the floor, and when all are there the text ends with an error. About two pages of 128 tokens of each kind are kept free for that.
            A cache takes memory page by page, so a short text in it is no smaller than in 16-bit floats. A model may be asked for more
            tokens than it was trained on; a warning says so. The model that ships writes in the style of old books and knows nothing;
            it is an instrument. How to get a real one: docs/models.md.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant generate --prompt \"It was a dark night, and\"",
        "kvant generate --prompt \"It was a dark night, and\" --codec fp16 --temperature 0.8 --top-p 0.9 --seed 7",
        "kvant generate --text notes.txt --prompt \"The same again:\" --draft 6",
        "kvant generate --model qwen2.5-0.5b-instruct-q8_0.gguf --chat --prompt \"Why is the sky blue?\" --keys q8 --values turboquant:bits=4",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        LayerSpecs? codecs = SpecPairs.One(result.GetValue(_codec), result.GetValue(_keys), result.GetValue(_values));
        if (result.GetValue(_policy) is not null && codecs is not null)
            throw new UsageException("--policy says which codecs; leave out --codec, --keys and --values, or --policy");
        Arithmetic arithmetic = CommonOptions.ArithmeticOf(result, _arithmetic, _copyWeights);
        if (result.GetValue(_device) is not null && result.GetValue(_draft) > 0)
            throw new UsageException("guesses are tried on the processor; leave out --draft, or --device");
        string? policy = codecs is null ? result.GetValue(_policy) ?? CachePreset.Default.Name : null;
        string prompt = Prompt(result);
        using LanguageModel model = LanguageModel.Open(result.GetValue(_model) ?? Shipped.Model, result.GetValue(_context) is > 0 and int limit ? limit : null);
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        int[] tokens = result.GetValue(_chat) ? Conversation(model, tokenizer, result.GetValue(_system), prompt) : tokenizer.Encode(prompt);
        int most = MostTokens(result, tokens.Length);
        Warn(terminal, model, (long)tokens.Length + most);

        KvCacheOptions options = CacheOptions(result, model, codecs, policy);
        using var cache = new KvCache(options);
        using var team = new WorkerTeam(result.GetValue(_threads));
        using CompressedAttention? onProcessor = result.GetValue(_device) is null ? new(cache, team: team) : null;
        using DeviceAttention? onDevice = result.GetValue(_device) is { } device ? new(cache, device) : null;
        IAttention attention = (IAttention?)onProcessor ?? onDevice!;
        CopyWeights(result, terminal, model);
        using var generator = new TextGenerator(model, tokenizer, attention, new DecoderOptions { Arithmetic = arithmetic, Batch = Batch, BeyondContext = true }, _sampling.Of(result, model.VocabularySize), team) { Drafts = result.GetValue(_draft) };
        TokenSpeed read = default;
        terminal.WithProgress("reading the prompt", json || tokens.Length < LongPrompt, done => read = generator.Read(tokens, done, terminal.Cancellation));
        GeneratedText written = generator.Write(most, json ? null : terminal.Text.Write, terminal.Cancellation);
        var generation = new Generation(model.File.Path, options.Policy, policy, read, written, cache.Statistics, MachineInfo.PeakMemory());
        if (json)
            Json.WriteRow(terminal, Columns, generation);
        else
            Show(terminal, generation);
        terminal.Cancellation.ThrowIfCancellationRequested();
    }

    private void CopyWeights(ParseResult result, Terminal terminal, LanguageModel model)
    {
        if (!result.GetValue(_copyWeights)) return;
        var watch = Stopwatch.StartNew();
        long bytes = model.CopyWeights(result.GetValue(_threads));
        terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"weights: {bytes / 1048576.0:0} MiB copied in {watch.Elapsed.TotalSeconds:0.0} s"));
    }

    private KvCacheOptions CacheOptions(ParseResult result, LanguageModel model, LayerSpecs? codecs, string? policy)
    {
        KvCacheOptions options = codecs is null
            ? model.CacheOptions(Policies.Known(policy!))
            : model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, codecs.Keys, codecs.Values));
        (long? limit, string? floor) = _limit.Of(result, LimitOptions.SaysWhenFull(options.Policy));
        return options with
        {
            Window = CommonOptions.Given(result, _window) ?? options.Window,
            Sinks = CommonOptions.Given(result, _sinks) ?? options.Sinks,
            MemoryLimit = limit,
            Floor = floor is null ? null : model.CacheOptions(floor).Policy,
        };
    }

    private string Prompt(ParseResult result)
    {
        string? prompt = result.GetValue(_prompt);
        if (result.GetValue(_system) is not null && !result.GetValue(_chat))
            throw new UsageException("--system needs --chat");
        if (result.GetValue(_file) is { } file)
            prompt = TextFile.Read(file) + prompt;
        return string.IsNullOrEmpty(prompt) ? throw new UsageException("the prompt is empty; give --prompt TEXT or --text FILE") : prompt;
    }

    private static int[] Conversation(LanguageModel model, Tokenizer tokenizer, string? system, string prompt)
    {
        ChatTemplate template = ChatTemplate.Find(model.File)
            ?? throw new InvalidDataException($"{model.File.Path}: the model has no chat template that is known (known: {string.Join(", ", ChatTemplate.Known.Select(t => t.Name))}); leave --chat out");
        List<ChatMessage> messages = [new("user", prompt)];
        if (system is not null)
            messages.Insert(0, new ChatMessage("system", system));
        return template.Encode(tokenizer, messages);
    }

    private int MostTokens(ParseResult result, int prompt)
    {
        int context = result.GetValue(_context), most = Math.Min(result.GetValue(_tokens), (context == 0 ? int.MaxValue : context) - prompt);
        return most > 0 ? most : throw new UsageException($"the prompt has {prompt} tokens, which leaves no room for text in a --context of {context}");
    }

    private static void Warn(Terminal terminal, LanguageModel model, long tokens)
    {
        if (tokens > model.Config.ContextLength)
            terminal.Error.WriteLine($"kvant: warning: prompt and text may take {tokens} tokens; the model was trained on {model.Config.ContextLength} and may write nonsense beyond");
    }

    private static void Show(Terminal terminal, Generation g)
    {
        if (!g.Written.Text.EndsWith('\n'))
            terminal.Text.WriteLine();
        terminal.Text.Flush();
        string end = g.Written.End switch
        {
            GenerationEnd.Model => "ended by the model",
            GenerationEnd.Limit => "ended by the limit",
            GenerationEnd.Context => "ended by the model's context",
            _ => "interrupted",
        };
        terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"prompt: {g.Prompt.Tokens} tokens, {g.Prompt.PerSecond:0.0} tokens/s; text: {g.Written.Speed.Tokens} tokens, {g.Written.Speed.PerSecond:0.0} tokens/s, {end}{Drafts(g.Written)}"));
        terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"cache: {g.Cache.TotalBytes} bytes, {g.Cache.FreeBytes} of them for tokens to come; fp16 takes {g.Cache.Fp16Bytes}, {g.Cache.CompressionRatio:0.00} times as many ({Codecs(g)}){Recoded(g)}; peak memory {g.PeakMemory / 1048576.0:0} MiB"));
    }

    private static string Drafts(GeneratedText text) => text.Guesses == 0 ? "" : string.Create(CultureInfo.InvariantCulture,
        $"; {(double)text.Tokens.Count / text.Steps:0.00} tokens a pass, {text.Tokens.Count - text.Steps} of {text.Guesses} guesses right");

    private static string Recoded(Generation g) => g.Cache.RecodedRows == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"; {100.0 * g.Cache.RecodedRows / g.Cache.LiveRows:0} % of the tokens coded again");

    private static string Codecs(Generation g) => g.Policy is { } policy ? $"policy {policy}" : new LayerSpecs(g.Layers[0].Keys, g.Layers[0].Values).ToString();

    private sealed record Generation(string Model, IReadOnlyList<LayerSpecs> Layers, string? Policy, TokenSpeed Prompt, GeneratedText Written, CacheStatistics Cache, long PeakMemory);
}
