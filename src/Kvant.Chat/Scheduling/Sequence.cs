using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Conversations;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat.Scheduling;

/// <summary>A sequence in memory: a cache, the tokens that it holds, and the turns that they are. The scheduler's thread alone touches it.</summary>
/// <param name="tenant">Whose it is: nobody else's requests find it.</param>
/// <param name="cache">Disposed with it.</param>
/// <param name="tokens">What the cache holds.</param>
/// <param name="stored">Has the sequence stored as it grows; null for nobody.</param>
internal sealed class Sequence(string tenant, KvCache cache, ReadOnlySpan<int> tokens, StoredSequence? stored) : IDisposable
{
    private readonly List<int> _tokens = [.. tokens];

    public string Tenant => tenant;

    public KvCache Cache => cache;

    /// <summary>What the cache holds.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>The turns that the tokens are, the last of them the model's and ended by itself; null where they are not whole turns.</summary>
    public IReadOnlyList<Turn>? Held { get; set; }

    /// <summary>Notes tokens that the cache has taken.</summary>
    public void Add(ReadOnlySpan<int> tokens)
    {
        Held = null;
        _tokens.AddRange(tokens);
        stored?.Store(Tokens);
    }

    public void Dispose()
    {
        stored?.Dispose();
        cache.Dispose();
    }
}
