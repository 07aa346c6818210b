using System.Diagnostics;
using Kvant.Caching;
using Microsoft.Extensions.AI;

namespace Kvant.Chat.Scheduling;

// What happens where memory is short: idle sequences go (Scheduler.Forgetting.cs), then the one that came last is put away until others are done.
internal sealed partial class Scheduler
{
    // Nobody says when pages come back that other threads hold, such as a fork that waits to be stored.
    private const int PollMilliseconds = 5;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private long? _shortSince;

    private bool IsShort => _shortSince is not null;

    private bool IsLimited => _pool.MemoryLimit != long.MaxValue;

    private bool HasRoomToAppend(Answer[] answers, int tokens)
    {
        bool has = !IsLimited || HasRoom(answers.Sum(a => a.Sequence!.Cache.BytesToAppend(tokens)), [.. answers.Select(a => a.Request.Tenant)]);
        if (has)
            _shortSince = null;
        return has;
    }

    // What those that have begun need next: the rest of a prompt, or a token, which may want copies of pages that they share; all of it where a store is still asked, for nobody knows how much it takes by now.
    private long Promised() => _running.Sum(a => a.Restoring is not null ? Estimate(0, a.Prompt.Length + 1)
        : a.Sequence?.Cache.BytesToAppend(a.IsReading ? a.Prompt.Length - a.Sequence.Tokens.Length + 1 : 1) ?? 0);

    // Whether a request may begin, beside those that are in memory; null where it failed, or others were forgotten for it.
    private bool? HasRoomFor(Answer answer, int known, Sequence? best)
    {
        int tokens = answer.Request.Tokens.Length;
        string[] tenant = [answer.Request.Tenant];
        // A fork has sinks and a window of its own.
        if (!IsLimited || HasRoom(Estimate(known, tokens + 1) + (known > 0 ? Estimate(0, 1) : 0) + Promised(), tenant, best))
        {
            _shortSince = null;
            return true;
        }

        if (_running.Count > 0)
            return false;
        // Nobody is there who would make room by ending; but a fork may wait to be stored, and the one that has most of it may go, too, and anybody's that lies idle.
        long bytes = Estimate(0, tokens + 1);
        if (best is not null && HasRoom(bytes, tenant))
            return null;
        if (bytes <= _pool.MemoryLimit && ForgetAnybodys())
            return null;
        if (bytes <= _pool.MemoryLimit && HasPatience())
            return false;
        Fail(answer, new CacheFullException(bytes, _pool.UsedBytes, _pool.MemoryLimit));
        return null;
    }

    private long Estimate(int from, int to) => _probe.BytesToAppend(to) - _probe.BytesToAppend(from);

    // Puts the sequence away that came last; one that is alone waits for others to give pages back, and ends where nobody does.
    private bool MakeRoom()
    {
        Answer[] there = [.. _running.Where(a => a.Sequence is not null)];
        if (there.Length == 0)
            return false;
        Answer last = there[^1];
        if (there.Length > 1)
        {
            PutAway(last);
            return true;
        }

        if (ForgetAnybodys())
            return true;
        if (HasPatience())
            return false;
        if (last.IsReading)
            Fail(last, new CacheFullException(last.Sequence!.Cache.BytesToAppend(1), _pool.UsedBytes, _pool.MemoryLimit));
        else
            Complete(last, ChatFinishReason.Length);
        return true;
    }

    private bool HasPatience()
    {
        _shortSince ??= Stopwatch.GetTimestamp();
        if (Stopwatch.GetElapsedTime(_shortSince.Value) < s_patience)
            return true;
        _shortSince = null;
        return false;
    }

    private void PutAway(Answer answer)
    {
        Try([answer], () =>
        {
            answer.Frozen = new FrozenSequence(answer.Sequence!, _options.Folder);
            answer.Sequence!.Dispose();
            answer.Sequence = null;
            ChatMetrics.PutAway();
        });
    }

    // Who came first comes back first.
    private void BringBack()
    {
        while (_running.Find(a => a.Frozen is not null) is { } answer)
        {
            FrozenSequence frozen = answer.Frozen!;
            bool alone = !_running.Exists(a => a.Sequence is not null);
            // Room for some tokens more, so that it is not put away at once again.
            if (!HasRoom(Estimate(0, frozen.Length + _options.Batch) + Promised(), [answer.Request.Tenant]) && !alone)
                return;
            try
            {
                answer.Sequence = frozen.Thaw(_pool, cache => _memory.Follow(answer.Request.Tenant, cache));
                answer.Frozen = null;
                frozen.Dispose();
                _shortSince = null;
            }
            catch (CacheFullException e)
            {
                // It takes more than was thought: rows that wait after a cut, for one.
                if (alone ? ForgetAnybodys() : ForgetFor([answer.Request.Tenant], except: null))
                    continue;
                if (alone && !HasPatience())
                    Fail(answer, e);
                return;
            }
            catch (Exception e) when (e is IOException or InvalidDataException)
            {
                Fail(answer, e);
            }
        }
    }
}
