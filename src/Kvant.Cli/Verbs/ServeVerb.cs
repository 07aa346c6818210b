using System.CommandLine;
using System.Net;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Conversations.Stores;
using Kvant.Serving;
using Microsoft.AspNetCore.Builder;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant serve</c>: a model for others, by the protocol of OpenAI.</summary>
internal sealed class ServeVerb : Verb
{
    /// <summary>Keys, with spaces between, for those who do not want them on the command line.</summary>
    internal const string KeyVariable = "KVANT_API_KEY";

    // An answer that runs when the server is to end may go on for so long.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static readonly Column<Served>[] Columns =
    [
        Column<Served>.OfText("model", "model", s => s.Model),
        Column<Served>.OfText("url", "address", s => s.Url),
        Column<Served>.OfInteger("keys", "keys", s => s.Keys),
    ];

    private readonly Option<string?> _model = CommonOptions.Model("The model (GGUF): a file, or the name of one that 'kvant pull' brought.");
    private readonly Option<string?> _name = new("--name") { Description = "What clients call the model. Without it: the name of its file.", HelpName = "NAME" };
    private readonly Option<string?> _policy = Policies.Option();
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly Option<string?> _store = ChunkStores.Option();
    private readonly Option<long?> _storeLimit = SpeedOptions.Size("--store-limit", "The most bytes of a store's folder; what was used longest ago goes. A number and KiB, MiB, GiB or the like.");
    private readonly Option<LayerSpecs?> _storeRecode = Policies.OfStore("--store-recode", "What a folder that is full codes again first, in place of forgetting it");
    private readonly Option<IPAddress> _host = Host();
    private readonly Option<int> _port = CommonOptions.Number("--port", 8080, 0, ushort.MaxValue, "Where it listens; 0 takes a port that is free");
    private readonly Option<string[]> _keys = new("--api-key") { Description = $"Who may ask: each key is a user who shares nothing with others. As often as you like; the variable {KeyVariable} has more, with spaces between. Without any, everybody who reaches the address.", HelpName = "KEY", DefaultValueFactory = _ => [] };
    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", 1024, 1, int.MaxValue, "Tokens of an answer at most where a request does not say");
    private readonly Option<int> _running = CommonOptions.Number("--running", 16, 1, 1024, "Requests that are answered at once; others wait");
    private readonly Option<int> _queue = CommonOptions.Number("--queue", 64, 1, 1_000_000, "Requests that may wait; more are refused");
    private readonly Option<long?> _memory = SpeedOptions.Size("--memory", "The most bytes of all caches: a number and KiB, MiB, GiB or the like. Without it: a quarter of this machine's memory.");
    private readonly Option<string?> _floor = new FileOption<string?>("--floor", FileUse.Policy) { Description = "Where --memory is short: code old tokens again, down to so few bits, values before keys, before a conversation is forgotten; whatever --policy takes. Not with --store.", HelpName = "NAME|FILE" };
    private readonly Option<int> _caches = CommonOptions.Number("--caches", 64, 1, 1_000_000, "Conversations of a key that stay in memory when nobody asks anything");
    private readonly Option<int> _batch = CommonOptions.Number("--batch", 256, 1, 65536, "Tokens of a prompt that are read together: fewer are shorter pauses for others");
    private readonly Option<int> _steps = CommonOptions.Number("--step-sequences", 7, 1, 1024, "Sequences of one step; with more than 7 the same request may be answered otherwise in company");
    private readonly Option<long?> _request = SpeedOptions.Size("--request-limit", "The longest request. Without it: 1MiB.");
    private readonly Option<Arithmetic> _arithmetic = CommonOptions.Arithmetic(Arithmetic.Fast);
    private readonly Option<bool> _copyWeights = CommonOptions.CopyWeights();
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Threads that compute");

    public ServeVerb()
        : base("serve", "Serve a model to programs that know the protocol of OpenAI.")
    {
        foreach (Option option in (Option[])[_model, _name, _policy, _window, _sinks, _store, _storeLimit, _storeRecode, _host, _port, _keys, _tokens, _running, _queue, _memory, _floor, _caches, _batch, _steps, _request, _arithmetic, _copyWeights, _threads])
            Add(option);
    }

    public override string Details => """
            /v1/chat/completions, /v1/completions, /v1/models, /health and /metrics; docs/serving.md says what each does. Ctrl-C takes no
            more requests and lets those that run finish for half a minute; the second one cuts them.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant serve --model smollm2-135m-instruct.gguf --store kvant-store",
        "kvant serve --model MODEL.gguf --store redis://127.0.0.1:6379 --host 0.0.0.0 --api-key SECRET",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json) => RunAsync(result, terminal, json).GetAwaiter().GetResult();

    private async Task RunAsync(ParseResult result, Terminal terminal, bool json)
    {
        string model = result.GetValue(_model) ?? throw new UsageException("--model is missing");
        if (result.GetValue(_floor) is not null && result.GetValue(_store) is not null)
            throw new UsageException("--floor changes tokens that a --store has; give one of both");
        IChunkStore? store = await ChunkStores.OpenAsync(result.GetValue(_store), result.GetValue(_storeLimit), result.GetValue(_storeRecode)).ConfigureAwait(false);
        await using var closing = store as IAsyncDisposable;
        using PagePool pool = new(result.GetValue(_memory) ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);
        KvantServingOptions options = new()
        {
            Model = new()
            {
                Model = model,
                Policy = Policies.Known(result.GetValue(_policy) ?? CachePreset.Default.Name),
                Window = CommonOptions.Given(result, _window),
                Sinks = CommonOptions.Given(result, _sinks),
                Store = store,
                Pool = pool,
                Floor = result.GetValue(_floor) is { } floor ? Policies.Known(floor) : null,
                MaxOutputTokens = result.GetValue(_tokens),
                Running = result.GetValue(_running),
                Queue = result.GetValue(_queue),
                Caches = result.GetValue(_caches),
                Batch = result.GetValue(_batch),
                StepSequences = result.GetValue(_steps),
                Arithmetic = CommonOptions.ArithmeticOf(result, _arithmetic, _copyWeights),
                CopyWeights = result.GetValue(_copyWeights),
                Threads = result.GetValue(_threads),
            },
            ApiKeys = Keys(result),
        };
        if (result.GetValue(_name) is { } name)
            options = options with { Name = name };
        if (result.GetValue(_request) is { } bytes)
            options = options with { MostRequestBytes = bytes };
        WebApplication server = KvantHost.Create(options, result.GetRequiredValue(_host), result.GetValue(_port), s_patience);
        await using (server.ConfigureAwait(false))
            await ServeAsync(server, options, terminal, json).ConfigureAwait(false);
    }

    private async Task ServeAsync(WebApplication server, KvantServingOptions options, Terminal terminal, bool json)
    {
        await server.StartAsync(terminal.Cancellation).ConfigureAwait(false);
        Served served = new(options.Name, server.Urls.Single() + "/v1", options.ApiKeys.Count);
        if (json)
            Json.WriteRow(terminal, Columns, served);
        else
            terminal.Out.WriteLine($"'{served.Model}' is served at {served.Url}; Ctrl-C ends it");
        terminal.Out.Flush();
        TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(terminal.Cancellation);
        using (terminal.Cancellation.Register(() => end.TrySetResult()))
        using (Interrupt.Take(End, alsoTermination: true))
        {
            await end.Task.ConfigureAwait(false);
            await server.StopAsync(cut.Token).ConfigureAwait(false);
        }

        void End()
        {
            if (!end.TrySetResult())
                cut.Cancel();
        }
    }

    private string[] Keys(ParseResult result)
    {
        string[] keys = [.. result.GetValue(_keys) ?? [], .. (Environment.GetEnvironmentVariable(KeyVariable) ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];
        return Array.TrueForAll(keys, key => key.Length > 0) ? keys : throw new UsageException("--api-key is empty");
    }

    private static Option<IPAddress> Host() => new("--host")
    {
        Description = "The address at which it listens: 127.0.0.1 for this machine alone, 0.0.0.0 for all that reach it.",
        HelpName = "ADDRESS",
        DefaultValueFactory = _ => IPAddress.Loopback,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (text == "localhost")
                return IPAddress.Loopback;
            if (IPAddress.TryParse(text, out IPAddress? address))
                return address;
            result.AddError($"--host must be an address such as 127.0.0.1 or 0.0.0.0; found '{text}'");
            return null;
        },
    };

    private sealed record Served(string Model, string Url, int Keys);
}
