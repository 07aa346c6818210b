using System.CommandLine;
using Kvant.Caching;
using Kvant.Chat;
using Kvant.Cli.Chats;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Conversations.Stores;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant chat</c>: a conversation with a model in the terminal.</summary>
internal sealed class ChatVerb : Verb
{
    private readonly Option<string?> _model = CommonOptions.Model("The model (GGUF): a file, or the name of one that 'kvant pull' brought. It must say how a conversation is written, which the one that ships does not.");
    private readonly Option<string?> _policy = Policies.Option();
    private readonly Option<int> _window = CommonOptions.Window();
    private readonly Option<int> _sinks = CommonOptions.Sinks();
    private readonly LimitOptions _limit = new("the conversation's cache");
    private readonly Option<string?> _store = ChunkStores.Option();
    private readonly Option<string?> _system = new("--system") { Description = "What the model is told before the conversation.", HelpName = "TEXT" };
    private readonly Option<int> _tokens = CommonOptions.Number("--tokens", 1024, 1, int.MaxValue, "Tokens of an answer at most");
    private readonly SamplingOptions _sampling = new();
    private readonly Option<Arithmetic> _arithmetic = CommonOptions.Arithmetic(Arithmetic.Fast);
    private readonly Option<bool> _copyWeights = CommonOptions.CopyWeights();
    private readonly Option<int> _threads = CommonOptions.Number("--threads", Environment.ProcessorCount, 1, 1024, "Threads that compute");

    public ChatVerb()
        : base("chat", "Talk with a model, its keys and values compressed and, if you like, stored.")
    {
        foreach (Option option in (Option[])[_model, _policy, _window, _sinks, .. _limit.All, _store, _system, _tokens, .. _sampling.All, _arithmetic, _copyWeights, _threads])
            Add(option);
    }

    public override string Details => """
            A line is what you say; the answer comes as the model writes it. Ctrl-C stops the answer, not the program; at the prompt it
            ends it, and so does the end of the input. /save FILE writes the conversation, /load FILE goes on with one, /stats says what
            was read, cached and stored, /new begins anew. With --memory-limit the oldest tokens of a long conversation are coded again in
            fewer bits; an answer ends where all are at the floor. With --json each answer is an object.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant chat --model smollm2-135m-instruct.gguf --store kvant-store",
        "echo \"Why is the sky blue?\" | kvant chat --model MODEL.gguf --json",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json) => RunAsync(result, terminal, json).GetAwaiter().GetResult();

    private async Task RunAsync(ParseResult result, Terminal terminal, bool json)
    {
        string model = result.GetValue(_model) ?? throw new UsageException("--model is missing: the model that ships knows no conversation");
        string policy = Policies.Known(result.GetValue(_policy) ?? CachePreset.Default.Name);
        (long? limit, string? floor) = _limit.Of(result, PolicyText.IsSteps(policy) && LimitOptions.SaysWhenFull([LayerSpecs.FromText(policy)]));
        if (limit is not null && result.GetValue(_store) is not null)
            throw new UsageException("--memory-limit codes tokens again, and a store's never change; leave out --store, or --memory-limit");
        IChunkStore? store = await ChunkStores.OpenAsync(result.GetValue(_store), limit: null).ConfigureAwait(false);
        await using var closing = store as IAsyncDisposable;
        using var client = new KvantChatClient(new()
        {
            Model = model,
            Policy = policy,
            MemoryLimit = limit,
            Floor = floor,
            Window = CommonOptions.Given(result, _window),
            Sinks = CommonOptions.Given(result, _sinks),
            Store = store,
            Arithmetic = CommonOptions.ArithmeticOf(result, _arithmetic, _copyWeights),
            CopyWeights = result.GetValue(_copyWeights),
            Threads = result.GetValue(_threads),
            MaxOutputTokens = result.GetValue(_tokens),
            Sampling = _sampling.Of(result, int.MaxValue),
        });
        await new ChatLoop(client, terminal, json, result.GetValue(_system)).RunAsync().ConfigureAwait(false);
    }
}
