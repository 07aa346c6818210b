using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Models.Decoding;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat;

/// <summary>A conversation in memory: a cache, the tokens that it holds, and the turns that they are.</summary>
internal sealed class ChatSession : IDisposable
{
    private readonly StoredSequence? _stored;
    private readonly Lock _turn;
    private readonly CompressedAttention _attention;
    private readonly Decoder _decoder;
    private readonly List<int> _tokens; // others look at it while it grows: under its own lock

    /// <summary>A conversation.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cache">Disposed with it.</param>
    /// <param name="tokens">What the cache holds.</param>
    /// <param name="stored">Has the sequence stored as it grows; null for nobody.</param>
    /// <param name="team">Threads that others use in turn.</param>
    /// <param name="turn">Whose turn it is: a team does one step at a time.</param>
    /// <param name="options">How tokens are read.</param>
    public ChatSession(LanguageModel model, KvCache cache, ReadOnlySpan<int> tokens, StoredSequence? stored, WorkerTeam team, Lock turn, DecoderOptions options)
    {
        (Cache, _stored, _turn, _tokens) = (cache, stored, turn, [.. tokens]);
        _attention = new CompressedAttention(cache, team: team);
        _decoder = new Decoder(model, _attention, options, team);
    }

    public KvCache Cache { get; }

    /// <summary>What the cache holds; for those who have the session.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>The turns that the tokens are, the last of them the model's and ended by itself; null where they are not whole turns.</summary>
    public IReadOnlyList<Turn>? Held { get; set; }

    /// <summary>Tokens that both begin with; the session may be reading meanwhile.</summary>
    public int CommonPrefix(ReadOnlySpan<int> tokens)
    {
        lock (_tokens)
            return CollectionsMarshal.AsSpan(_tokens).CommonPrefixLength(tokens);
    }

    /// <summary>Reads tokens behind what is there.</summary>
    /// <param name="tokens">At least one, at most a batch.</param>
    /// <param name="logits">Receives what may come next; empty where nobody wants to know.</param>
    public void Read(ReadOnlySpan<int> tokens, Memory<float> logits)
    {
        Held = null;
        lock (_turn)
        {
            if (logits.IsEmpty)
                _decoder.Read(tokens);
            else
                _decoder.Forward(tokens, logits);
        }

        lock (_tokens)
            _tokens.AddRange(tokens);
        _stored?.Store(CollectionsMarshal.AsSpan(_tokens));
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _attention.Dispose();
        _stored?.Dispose();
        Cache.Dispose();
    }
}
