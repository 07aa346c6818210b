using System.Diagnostics.CodeAnalysis;

namespace Kvant.Attention;

/// <summary>Lets one call in at a time, and none after the end: a call that finds another one in progress is refused, the end waits for it.</summary>
internal struct Turn
{
    private const int Free = 0;
    private int _holder; // the thread whose call is in progress, or Free
    private int _ended;

    /// <summary>Begins a call of this thread.</summary>
    /// <param name="owner">Whose turn it is, for the message.</param>
    /// <returns>Ends the call.</returns>
    /// <exception cref="InvalidOperationException">Another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The owner has ended.</exception>
    [UnscopedRef]
    public Taken Take(object owner)
    {
        int holder = Interlocked.CompareExchange(ref _holder, Environment.CurrentManagedThreadId, Free);
        // Either this thread sees that the end has come, or the end sees this thread and waits for it.
        bool ended = Volatile.Read(ref _ended) != 0;
        if (holder == Free && !ended)
            return new(ref this);
        if (holder == Free)
            Volatile.Write(ref _holder, Free);
        ObjectDisposedException.ThrowIf(ended, owner);
        throw new InvalidOperationException(holder == Environment.CurrentManagedThreadId
            ? $"A call on this {owner.GetType().Name} is in progress on this thread, and it takes one at a time: what it calls cannot call it."
            : $"A call on this {owner.GetType().Name} is in progress on thread {holder}, and it takes one at a time: make one for each thread of your own.");
    }

    /// <summary>Ends the owner, after the call in progress.</summary>
    /// <param name="owner">Whose turn it is, for the message.</param>
    /// <param name="within">Whether this thread works for the owner and so for the call in progress, if there is one.</param>
    /// <returns>Whether it is this call that ended it; false where it had ended.</returns>
    /// <exception cref="InvalidOperationException">The call in progress is this thread's, and would wait for itself.</exception>
    public bool End(object owner, bool within)
    {
        int holder = Volatile.Read(ref _holder);
        if (holder == Environment.CurrentManagedThreadId || (within && holder != Free))
            throw new InvalidOperationException($"A call on this {owner.GetType().Name} is in progress and would wait for itself: dispose it after the call.");
        // From here on nobody begins, or one who calls again and again would keep the end waiting.
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            return false;
        for (var spinner = default(SpinWait); Volatile.Read(ref _holder) != Free;)
            spinner.SpinOnce();
        return true;
    }

    /// <summary>A call in progress.</summary>
    internal readonly ref struct Taken(ref Turn turn)
    {
        private readonly ref Turn _turn = ref turn;

        public void Dispose() => Volatile.Write(ref _turn._holder, Free);
    }
}
