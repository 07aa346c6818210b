using Kvant.Conversations;

namespace Kvant.Chat.Scheduling;

// How a request gets a sequence: one that has its earlier turns, a fork of one that begins alike, what is stored, or an empty one.
internal sealed partial class Scheduler
{
    private void Begin()
    {
        foreach (Answer answer in (Answer[])[.. _running.Where(a => a.Restoring is { IsCompleted: true })])
            BeginRestored(answer);
        // Who was put away comes first.
        for (int i = 0; i < _waiting.Count && _running.Count < _options.Running && !_running.Exists(a => a.Frozen is not null);)
        {
            Answer answer = _beginning = _waiting[i];
            ReadOnlyMemory<int> body = answer.Request.Tokens.AsMemory(0, answer.Request.Tokens.Length - 1); // the last token is read in any case: its logits are wanted
            if (TakeNext(answer))
                continue;
            (Sequence? best, int known) = _memory.Longest(answer.Request.Tenant, body.Span, Busy);
            if (IsBeingRead(answer, body.Span, known))
                i++; // others may go first meanwhile
            else if (HasRoomFor(answer, known, best) is not { } has)
                continue; // all is different now
            else if (!has)
                break; // others may not: a large one would wait for ever
            else if (_stores.Of(answer.Request.Tenant) is { } prefixes && body.Length - known >= prefixes.Options.ChunkTokens)
                Restore(answer, prefixes, body);
            else
                Enter(answer, _memory.Take(answer.Request.Tenant, best, known), answer.Request.Tokens);
        }

        _beginning = null;
    }

    private IEnumerable<Sequence> Busy => _running.Select(a => a.Sequence).OfType<Sequence>();

    private bool TakeNext(Answer answer)
    {
        if (answer.Request.Turns is not { } turns || _memory.TakeNext(answer.Request.Tenant, turns, held => _encodeNext(held, [.. turns.Skip(held.Count)])) is not { } next)
            return false;
        if (next.Tokens.Length < _model.Context)
        {
            Enter(answer, next.Sequence, next.Tokens);
            return true;
        }

        // What the model said may be more tokens than its text is cut into.
        _memory.Return(next.Sequence);
        return false;
    }

    // Somebody is about to have more of the same prompt than there is now: it need not be read twice.
    private bool IsBeingRead(Answer answer, ReadOnlySpan<int> body, int known)
    {
        foreach (Answer other in _running)
        {
            if (other.Frozen is not null || !other.IsReading || other.Request.Tenant != answer.Request.Tenant)
                continue;
            int common = other.Prompt.AsSpan().CommonPrefixLength(body), there = other.Sequence?.Tokens.Length ?? 0;
            if (common >= known + SequenceMemory.ShortestShared && there < common)
                return true;
        }

        return false;
    }

    private void Restore(Answer answer, PrefixStore prefixes, ReadOnlyMemory<int> body)
    {
        answer.Restoring = Task.Run(() => prefixes.RestoreAsync(body, answer.Cancellation), CancellationToken.None);
        answer.Restoring.ContinueWith(_ => _wake.Set(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        EnterRunning(answer);
    }

    private void BeginRestored(Answer answer)
    {
        Task<StoredSequence> restoring = answer.Restoring!;
        answer.Restoring = null;
        if (!restoring.IsCompletedSuccessfully)
        {
            Fail(answer, restoring.Exception?.InnerException ?? new OperationCanceledException());
            return;
        }

        StoredSequence stored = restoring.Result;
        string tenant = answer.Request.Tenant;
        int[] tokens = answer.Request.Tokens;
        (Sequence? best, int known) = _memory.Longest(tenant, tokens.AsSpan(0, tokens.Length - 1), Busy);
        if (stored.RestoredTokens > known)
        {
            Begin(answer, new Sequence(tenant, stored.Cache, tokens.AsSpan(0, stored.RestoredTokens), stored), tokens);
            return;
        }

        stored.Dispose();
        Begin(answer, _memory.Take(tenant, best, known), tokens);
    }

    private void Enter(Answer answer, Sequence sequence, int[] prompt)
    {
        EnterRunning(answer);
        Begin(answer, sequence, prompt);
    }

    private void EnterRunning(Answer answer)
    {
        _waiting.Remove(answer);
        LeaveQueue();
        _running.Add(answer);
        answer.LastPiece = ++_pieces; // behind all that are there: those who come after it must not always be first
        ChatMetrics.Running(1);
    }

    private static void Begin(Answer answer, Sequence sequence, int[] prompt)
    {
        answer.Begin(sequence, prompt);
        ChatMetrics.Tokens("cached", answer.Cached);
    }
}
