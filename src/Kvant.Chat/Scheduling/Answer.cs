using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Kvant.Conversations;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;
using Microsoft.Extensions.AI;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat.Scheduling;

/// <summary>A request and how far its answer is. Whoever asked reads <see cref="Pieces"/> and <see cref="End"/>; all else is the scheduler's.</summary>
internal sealed class Answer : IDisposable
{
    private readonly Channel<string> _pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly TaskCompletionSource<AnswerEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly StringBuilder _text = new();
    private readonly StopText _stop;
    private readonly CancellationTokenRegistration _cancelled;
    private Sampler? _sampler;
    private TokenAssembler? _assembler;

    /// <summary>A request that waits.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="wake">Called when it is cancelled.</param>
    /// <param name="cancellation">Ends it at its next token.</param>
    public Answer(TextRequest request, Action wake, CancellationToken cancellation)
    {
        (Request, Prompt, Cancellation) = (request, request.Tokens, cancellation);
        _stop = new StopText(request.Stops);
        _cancelled = cancellation.UnsafeRegister(static wake => ((Action)wake!)(), wake);
    }

    public TextRequest Request { get; }

    public CancellationToken Cancellation { get; }

    /// <summary>The text as it comes; completed when there is no more, whatever the reason.</summary>
    public ChannelReader<string> Pieces => _pieces.Reader;

    /// <summary>The whole; faulted or cancelled where there is none.</summary>
    public Task<AnswerEnd> End => _end.Task;

    /// <summary>What is in memory of it; null while it waits, or is put away.</summary>
    public Sequence? Sequence { get; set; }

    /// <summary>The sequence where memory is short; null where it is in memory.</summary>
    public FrozenSequence? Frozen { get; set; }

    /// <summary>All that is to be read before the answer begins.</summary>
    public int[] Prompt { get; private set; }

    /// <summary>What a store had of the prompt; null before it is asked, or where there is none.</summary>
    public Task<StoredSequence>? Restoring { get; set; }

    /// <summary>The token that was chosen last and is not in the cache yet.</summary>
    public int Next { get; private set; }

    /// <summary>Whether tokens of the prompt are still to be read.</summary>
    public bool IsReading => _sampler is null;

    /// <summary>Why it ends once the next token is in the cache; null if it does not.</summary>
    public ChatFinishReason? Finish { get; private set; }

    /// <summary>When it began, or a piece of its prompt was read last: a number that grows with each of these.</summary>
    public long LastPiece { get; set; }

    public int Cached { get; private set; }

    public int Written { get; private set; }

    /// <summary>Since the request came.</summary>
    public TimeSpan Time => Stopwatch.GetElapsedTime(_start);

    /// <summary>Gives it a sequence that has some of its prompt.</summary>
    public void Begin(Sequence sequence, int[] prompt) => (Sequence, Prompt, Cached) = (sequence, prompt, sequence.Tokens.Length);

    /// <summary>Begins to write: the prompt is read.</summary>
    public void BeginWriting(Tokenizer tokenizer, int vocabulary)
    {
        _sampler = new Sampler(vocabulary, Request.Sampling);
        _assembler = tokenizer.CreateAssembler();
        foreach (int token in Prompt)
            _sampler.Accept(token);
    }

    /// <summary>Chooses the next token and hands its text over.</summary>
    public void Choose(ReadOnlySpan<float> logits, Tokenizer tokenizer)
    {
        Next = _sampler!.Choose(logits);
        Written++;
        Hand(_stop.Append(_assembler!.Append(Next)));
        Finish = tokenizer.IsEnd(Next) || _stop.HasEnded ? ChatFinishReason.Stop : Written == Request.MostTokens ? ChatFinishReason.Length : null;
    }

    /// <summary>Ends it: no token follows.</summary>
    /// <returns>The turns that the sequence is now; null where it is none, or the answer was cut.</returns>
    public IReadOnlyList<Turn>? Complete(ChatFinishReason finish)
    {
        if (!_stop.HasEnded)
            Hand(_stop.Append(_assembler?.Finish() ?? "") + _stop.Finish());
        string text = _text.ToString();
        _end.TrySetResult(new AnswerEnd(text, Prompt.Length, Cached, Written, finish, Time));
        _pieces.Writer.TryComplete();
        return finish == ChatFinishReason.Stop && !_stop.HasEnded && Request.Turns is { } turns ? [.. turns, new Turn("assistant", text)] : null;
    }

    /// <summary>Ends it without a result.</summary>
    public void Fail(Exception reason)
    {
        if (reason is OperationCanceledException)
            _end.TrySetCanceled(Cancellation.IsCancellationRequested ? Cancellation : new CancellationToken(true));
        else if (_end.TrySetException(reason))
            _ = _end.Task.Exception; // seen, even if nobody asks
        _pieces.Writer.TryComplete();
    }

    public void Dispose()
    {
        _cancelled.Unregister(); // never waits, for it is called by the thread that a cancellation wakes
        Sequence?.Dispose();
        Frozen?.Dispose();
        (Sequence, Frozen) = (null, null);
    }

    private void Hand(string piece)
    {
        if (piece.Length == 0)
            return;
        _text.Append(piece);
        _pieces.Writer.TryWrite(piece);
    }
}
