using System.Collections.Concurrent;
using Kvant.Caching;
using Kvant.Models.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat.Scheduling;

/// <summary>
/// Many answers at once on one model. A thread of its own goes round: requests begin as places and memory allow, one piece of a prompt is read, or some short ones, and all sequences that write get one token. So nobody's tokens stop for longer
/// than a piece takes, and a cancellation is seen at every token.
/// </summary>
/// <remarks>Between two rounds everything is whole: that is when sequences come, go, are forked and put away. Only that thread touches them, so there are no locks.</remarks>
internal sealed partial class Scheduler : IDisposable
{
    private readonly KvantChatOptions _options;
    private readonly IChatModel _model;
    private readonly Tokenizer _tokenizer;
    private readonly TenantStores _stores;
    private readonly SequenceMemory _memory;
    private readonly PagePool _pool;
    private readonly KvCache _probe; // empty: says what tokens would take
    private readonly float[] _logits;
    private readonly Func<IReadOnlyList<Turn>, IReadOnlyList<Turn>, int[]?> _encodeNext;
    private readonly ConcurrentQueue<Answer> _arrivals = new();
    private readonly List<Answer> _waiting = [], _running = []; // each in the order in which they came
    private readonly AutoResetEvent _wake = new(false);
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;
    private readonly ILogger _logger;
    private int _queued;
    private Answer? _beginning;

    /// <summary>Begins.</summary>
    /// <param name="model">Stays the caller's.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="cache">Options of all caches, with a pool.</param>
    /// <param name="stores">What is stored; stays the caller's.</param>
    /// <param name="options">Limits.</param>
    /// <param name="encodeNext">Writes turns behind others that a sequence holds, in tokens; null where only the whole is right.</param>
    /// <param name="logger">Hears of faults.</param>
    public Scheduler(IChatModel model, Tokenizer tokenizer, KvCacheOptions cache, TenantStores stores, KvantChatOptions options, Func<IReadOnlyList<Turn>, IReadOnlyList<Turn>, int[]?> encodeNext, ILogger logger)
    {
        _logger = logger;
        (_model, _tokenizer, _stores, _options, _encodeNext, _pool) = (model, tokenizer, stores, options, encodeNext, cache.Pool!);
        _probe = new KvCache(cache);
        _memory = new SequenceMemory(cache, stores, options.Caches);
        _logits = new float[checked(options.StepSequences * model.VocabularySize)];
        _thread = new Thread(Run) { IsBackground = true, Name = "Kvant scheduler" };
        _thread.Start();
    }

    /// <summary>Has a request answered.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellation">Ends the answer at its next token.</param>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    /// <exception cref="ObjectDisposedException">It has ended.</exception>
    public Answer Submit(TextRequest request, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, this);
        if (Interlocked.Increment(ref _queued) > _options.Queue)
        {
            Interlocked.Decrement(ref _queued);
            ChatMetrics.Ended("refused");
            throw new QueueFullException(_options.Queue);
        }

        ChatMetrics.Waiting(1);
        Answer answer = new(request, () => _wake.Set(), cancellation);
        _arrivals.Enqueue(answer);
        _wake.Set();
        // Whoever comes as it ends must not wait for ever.
        if (_stop.IsCancellationRequested)
            answer.Fail(new OperationCanceledException());
        return answer;
    }

    /// <summary>Ends all answers after the step in progress.</summary>
    public void Dispose()
    {
        if (_stop.IsCancellationRequested)
            return;
        _stop.Cancel();
        _wake.Set();
        _thread.Join();
        _memory.Dispose();
        _probe.Dispose();
    }

    private void Run()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (!Round())
                    _wake.WaitOne(IsShort ? PollMilliseconds : Timeout.Infinite);
            }
            catch (Exception e)
            {
                // A fault of ours: nobody knows whose sequence is whole, and the others still want answers; but not the one that was to begin, or it would be tried for ever.
                LogFault(_logger, e, _running.Count);
                foreach (Answer answer in (Answer[])[.. _running, .. _waiting.Where(a => a == _beginning)])
                    Fail(answer, e);
            }
        }

        while (_arrivals.TryDequeue(out Answer? arrival))
            _waiting.Add(arrival);
        foreach (Answer answer in (Answer[])[.. _waiting, .. _running])
            Fail(answer, new OperationCanceledException());
    }

    // False where there was nothing to do.
    private bool Round()
    {
        while (_arrivals.TryDequeue(out Answer? arrival))
            _waiting.Add(arrival);
        RemoveCancelled();
        BringBack();
        Begin();
        bool worked = ReadPieces();
        return Step() || worked;
    }

    private void RemoveCancelled()
    {
        foreach (Answer answer in (Answer[])[.. _waiting.Where(IsCancelled), .. _running.Where(IsCancelled)])
        {
            // Between two rounds its sequence is whole.
            if (answer.Sequence is { } sequence)
                _memory.Return(sequence);
            answer.Sequence = null;
            Fail(answer, new OperationCanceledException(answer.Cancellation));
        }

        static bool IsCancelled(Answer answer) => answer.Cancellation.IsCancellationRequested;
    }

    // A sequence that is whole may be of use to somebody.
    private void Complete(Answer answer, ChatFinishReason finish)
    {
        Sequence sequence = answer.Sequence!;
        answer.Sequence = null;
        Leave(answer);
        ChatMetrics.Ended(finish.Value);
        ChatMetrics.Tokens("written", answer.Written);
        sequence.Held = answer.Complete(finish);
        _memory.Return(sequence);
    }

    private void Fail(Answer answer, Exception reason)
    {
        Leave(answer);
        ChatMetrics.Ended(reason is OperationCanceledException ? "cancelled" : "failed");
        ChatMetrics.Tokens("written", answer.Written);
        answer.Fail(reason);
    }

    // Out of the lists, with all that it had.
    private void Leave(Answer answer)
    {
        if (_running.Remove(answer))
            ChatMetrics.Running(-1);
        if (_waiting.Remove(answer))
            LeaveQueue();
        answer.Restoring?.ContinueWith(static restored => restored.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        answer.Dispose();
    }

    private void LeaveQueue()
    {
        Interlocked.Decrement(ref _queued);
        ChatMetrics.Waiting(-1);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A fault of the scheduler ended {Running} answers that were running")]
    private static partial void LogFault(ILogger logger, Exception fault, int running);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Answers} answers failed")]
    private static partial void LogFailure(ILogger logger, Exception fault, int answers);
}
