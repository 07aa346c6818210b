using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Conversations.Stores;
using Kvant.Models.Generation;

namespace Kvant.Chat;

/// <summary>Which model a <see cref="KvantChatClient"/> runs, and how.</summary>
public sealed record KvantChatOptions
{
    private readonly int? _window;
    private readonly int? _sinks;
    private readonly long? _memoryLimit;
    private readonly int _threads = Environment.ProcessorCount;
    private readonly int _caches = 4;
    private readonly int _conversations = 1024;
    private readonly int _maxOutputTokens = 1024;
    private readonly int _batch = 256;
    private readonly int _running = 16;
    private readonly int _queue = 1024;
    private readonly int _stepSequences = 7;

    /// <summary>The model's file, GGUF; it must say how a conversation is written.</summary>
    public required string Model { get; init; }

    /// <summary>How keys and values are compressed: a preset (<see cref="CachePreset"/>), steps by age (<see cref="LayerSpecs.FromText"/>), or the name of a policy file that was made for this model; <c>balanced</c> unless said.</summary>
    public string Policy { get; init; } = "balanced";

    /// <summary>The newest tokens of a conversation that are not compressed (<see cref="KvCacheOptions.Window"/>), 0 or more; null for what the policy says. Few, such as 64, where many conversations are short: each has its own.</summary>
    public int? Window { get => _window; init => _window = NotNegative(value, nameof(Window)); }

    /// <summary>The first tokens that are not compressed (<see cref="KvCacheOptions.Sinks"/>), 0 or more; null for what the policy says.</summary>
    public int? Sinks { get => _sinks; init => _sinks = NotNegative(value, nameof(Sinks)); }

    /// <summary>The most bytes of each conversation (<see cref="KvCacheOptions.MemoryLimit"/>): as it fills, its oldest tokens are coded again down to <see cref="Floor"/>, and an answer ends where all are there; null for no limit but that
    /// of <see cref="Pool"/>. Not with a <see cref="Store"/>, whose tokens never change, unless there is no floor.</summary>
    public long? MemoryLimit { get => _memoryLimit; init => _memoryLimit = value is null or >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(MemoryLimit), value, "The number of bytes cannot be negative."); }

    /// <summary>The fewest bits of old tokens (<see cref="KvCacheOptions.Floor"/>), said as <see cref="Policy"/> is: of each conversation under a <see cref="MemoryLimit"/>, else of all in a <see cref="Pool"/> with a limit, before any is
    /// forgotten or waits. Null for what the policy says of a full cache. Not with a <see cref="Store"/>.</summary>
    public string? Floor { get; init; }

    /// <summary>Where conversations are stored, so that they outlive the process and share their beginnings; it stays the caller's. Null for nowhere.</summary>
    public IChunkStore? Store { get; init; }

    /// <summary>Keeps users of one store apart (<see cref="Kvant.Conversations.PrefixOptions.Tenant"/>). Empty for what all may share.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Threads that compute, at least 1; as many as there are processors unless said.</summary>
    public int Threads { get => _threads; init => _threads = AtLeastOne(value, nameof(Threads)); }

    /// <summary>Tokens of a prompt that are read together, at least 1; 256 unless said. A cancellation waits for that many, and so do the next tokens of all answers.</summary>
    public int Batch { get => _batch; init => _batch = AtLeastOne(value, nameof(Batch)); }

    /// <summary>How many conversations of a tenant stay in memory when nobody asks anything, those used last, at least 1; 4 unless said. Others come back from the store, or are read again.</summary>
    public int Caches { get => _caches; init => _caches = AtLeastOne(value, nameof(Caches)); }

    /// <summary>How many conversations are remembered by their <see cref="Microsoft.Extensions.AI.ChatOptions.ConversationId"/>, those used last, at least 1; 1,024 unless said. One that is forgotten begins anew.</summary>
    public int Conversations { get => _conversations; init => _conversations = AtLeastOne(value, nameof(Conversations)); }

    /// <summary>How many requests are answered at once, at least 1; 16 unless said. Others wait.</summary>
    public int Running { get => _running; init => _running = AtLeastOne(value, nameof(Running)); }

    /// <summary>How many requests may wait, at least 1; 1,024 unless said. More are refused.</summary>
    public int Queue { get => _queue; init => _queue = AtLeastOne(value, nameof(Queue)); }

    /// <summary>
    /// How many sequences get their next token in one step, at least 1; 7 unless said, and where more run there are several steps in turn. In fast arithmetic up to 7 get the bits that each would get alone, so that no
    /// text depends on who else asks; with more the weights are read once for more of them, and floats add up in another order.
    /// </summary>
    public int StepSequences { get => _stepSequences; init => _stepSequences = AtLeastOne(value, nameof(StepSequences)); }

    /// <summary>Where sequences are put that have to make room for others (<see cref="Pool"/>), each in a file that only this user can read and that goes with it, or with the process however that ends; the system's folder for such files unless said.</summary>
    public string Folder { get; init; } = Path.GetTempPath();

    /// <summary>Tokens of an answer at most where a request does not say, at least 1; 1,024 unless said.</summary>
    public int MaxOutputTokens { get => _maxOutputTokens; init => _maxOutputTokens = AtLeastOne(value, nameof(MaxOutputTokens)); }

    /// <summary>How tokens are chosen where a request does not say; the most likely ones unless said.</summary>
    public SamplerOptions Sampling { get; init; } = new();

    /// <summary>How weights that are stored in small integers meet vectors: fast unless said, as in <c>kvant generate</c>.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Fast;

    /// <summary>Whether the weights of a GGUF file are copied into memory, laid out for this processor, as the model is opened (<see cref="Models.Decoding.LanguageModel.CopyWeights"/>): tokens come sooner, most of all where many are
    /// answered at once, and the copy takes as much memory as the weights do. Not unless said. It serves <see cref="Arithmetic.Fast"/>; with exact arithmetic it is refused.</summary>
    public bool CopyWeights { get; init; }

    /// <summary>Where the memory of all conversations comes from, with its limit; it stays the caller's. Where it is short, conversations that nobody asks about are forgotten, requests wait, and answers that have begun
    /// are put away and go on later with the same text. Null for a pool without a limit.</summary>
    public PagePool? Pool { get; init; }

    private static int? NotNegative(int? value, string name) => value is null or >= 0 ? value : throw new ArgumentOutOfRangeException(name, value, "The number of tokens cannot be negative.");

    private static int AtLeastOne(int value, string name) => value >= 1 ? value : throw new ArgumentOutOfRangeException(name, value, "At least 1 is wanted.");
}
