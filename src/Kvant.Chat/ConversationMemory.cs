using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat;

/// <summary>The turns of conversations that callers name: of those used last, so many. One turn of each is answered at a time, or what one said would be lost by the other.</summary>
/// <param name="most">How many are remembered when none of them is being answered, at least 1.</param>
internal sealed class ConversationMemory(int most)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Conversation> _byUse = []; // used last first
    private readonly Dictionary<string, LinkedListNode<Conversation>> _byName = new(StringComparer.Ordinal);

    /// <summary>Begins a turn of a conversation, which is new where it is not remembered; disposing it ends the turn.</summary>
    /// <param name="name">The caller's.</param>
    /// <exception cref="InvalidOperationException">Another turn of it is being answered.</exception>
    public Conversation Begin(string name)
    {
        lock (_lock)
        {
            if (_byName.TryGetValue(name, out LinkedListNode<Conversation>? known))
            {
                if (known.Value.IsBusy)
                    throw new InvalidOperationException($"A turn of the conversation '{name}' is being answered; ask the next one when it has ended.");
                _byUse.Remove(known);
            }
            else
            {
                _byName.Add(name, known = new(new Conversation(this, name)));
            }

            _byUse.AddFirst(known);
            known.Value.IsBusy = true;
            return known.Value;
        }
    }

    private void End(Conversation conversation)
    {
        lock (_lock)
        {
            conversation.IsBusy = false;
            // One that has said nothing is not worth the place of another.
            if (conversation.Turns.Count == 0)
                Forget(_byName[conversation.Name]);
            for (LinkedListNode<Conversation>? oldest = _byUse.Last; oldest is not null && _byUse.Count > most;)
            {
                LinkedListNode<Conversation>? next = oldest.Previous;
                if (!oldest.Value.IsBusy)
                    Forget(oldest);
                oldest = next;
            }
        }
    }

    private void Forget(LinkedListNode<Conversation> conversation)
    {
        _byUse.Remove(conversation);
        _byName.Remove(conversation.Value.Name);
    }

    /// <summary>A conversation of which a turn is being answered.</summary>
    internal sealed class Conversation(ConversationMemory memory, string name) : IDisposable
    {
        public string Name => name;

        public bool IsBusy { get; set; }

        /// <summary>What was said so far.</summary>
        public IReadOnlyList<Turn> Turns { get; set; } = [];

        public void Dispose() => memory.End(this);
    }
}
