using System.Diagnostics;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Generation;

/// <summary>
/// Lets a model read and write: <see cref="Read"/> a prompt, <see cref="Write"/> what follows, read the next prompt, and so on. Whatever was read
/// or written is in the cache behind the attention, so a conversation costs only its new tokens. One call at a time; a second one is refused.
/// </summary>
/// <remarks>
/// A generator begins behind what the cache holds: a fork, a thawed prefix or one that was truncated. Read what comes next, or, where nothing does,
/// <see cref="Resume"/> with the logits that the earlier generator had; then it writes the tokens that the earlier one would have written.
/// </remarks>
/// <example>
/// <code>
/// using var generator = new TextGenerator(model, tokenizer, attention);
/// generator.Read(tokenizer.Encode("Call me"));
/// generator.Write(100, Console.Write);
/// </code>
/// </example>
public sealed class TextGenerator : IDisposable
{
    private readonly Tokenizer _tokenizer;
    private readonly Decoder _decoder;
    private readonly IAttention _attention;
    private readonly Sampler _sampler;
    private readonly int _batch;
    private readonly float[] _logits;
    private readonly PromptLookup _lookup = new();
    private readonly int _drafts;
    private readonly int[] _pass = [0];
    private float[] _passLogits = [];
    private Turn _turn;
    private (int Position, long Changes)? _readTo;

    /// <summary>Prepares a model; nothing is read yet.</summary>
    /// <param name="model">An open model; it stays the caller's.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="attention">Where keys and values go, and where those of earlier tokens are; it stays the caller's.</param>
    /// <param name="decoding">Threads and batch; null for one thread.</param>
    /// <param name="sampling">How tokens are chosen; null for the most likely ones.</param>
    /// <param name="team">Threads that others use in turn, best the attention's; they stay the caller's. Null for threads of its own.</param>
    /// <exception cref="ArgumentException">The tokenizer has another number of tokens than the model.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting makes no sense.</exception>
    public TextGenerator(LanguageModel model, Tokenizer tokenizer, IAttention attention, DecoderOptions? decoding = null, SamplerOptions? sampling = null, WorkerTeam? team = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.Count != model.VocabularySize) throw new ArgumentException($"the tokenizer has {tokenizer.Count} tokens, the model {model.VocabularySize}", nameof(tokenizer));
        decoding ??= new DecoderOptions();
        (_tokenizer, _attention) = (tokenizer, attention);
        _batch = decoding.Batch;
        _logits = new float[model.VocabularySize];
        _sampler = new Sampler(model.VocabularySize, sampling);
        _decoder = new Decoder(model, attention, decoding, team);
    }

    /// <summary>
    /// How many tokens are guessed behind each that is written, and read together with it: 0 or more, less than <see cref="DecoderOptions.Batch"/>; 0 unless said. Guesses are what followed
    /// the last tokens where they stood before, in what this generator read and wrote; those that are not what is chosen then are refused. Text, logits and the bytes of the cache are the same with guesses and
    /// without, whatever the codecs and however tokens are chosen; fewer passes of the model are needed where a text repeats itself.
    /// </summary>
    /// <exception cref="ArgumentException">Tokens are to be guessed, and the attention is no <see cref="CompressedAttention"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or there is no room for so many in a batch.</exception>
    public int Drafts
    {
        get => _drafts;
        init
        {
            if (value < 0 || value >= _batch) throw new ArgumentOutOfRangeException(nameof(value), value, $"the number of drafts must be 0 to {_batch - 1}, one less than the batch");
            if (value > 0 && _attention is not CompressedAttention) throw new ArgumentException($"drafts need a {nameof(CompressedAttention)}; found is {_attention.GetType().Name}", nameof(value));
            (_drafts, _pass) = (value, new int[1 + value]);
        }
    }

    /// <summary>How many tokens the cache holds: those that were there, and those that were read and written.</summary>
    public int Position => _decoder.Position;

    /// <summary>What may come next, one logit for each token of the vocabulary; valid until more is read or written. Kept beside a frozen or forked
    /// cache, they let another generator <see cref="Resume"/>.</summary>
    /// <exception cref="InvalidOperationException">No prompt was read, or the cache has changed since.</exception>
    public ReadOnlySpan<float> Logits
    {
        get
        {
            RequireRead();
            return _logits;
        }
    }

    /// <summary>Goes on behind what the cache holds, without reading anything first.</summary>
    /// <param name="logits">The <see cref="Logits"/> behind the last token of the cache; they are copied.</param>
    /// <exception cref="ArgumentException">There is another number of logits.</exception>
    /// <exception cref="InvalidOperationException">The cache holds nothing, or another call is in progress.</exception>
    public void Resume(ReadOnlySpan<float> logits)
    {
        if (logits.Length != _logits.Length) throw new ArgumentException($"{logits.Length} logits found, {_logits.Length} wanted", nameof(logits));
        if (Position == 0) throw new InvalidOperationException("the cache holds no token behind which to go on; read a prompt first");
        using Turn.Taken turn = _turn.Take(this);
        logits.CopyTo(_logits);
        NoteRead();
    }

    /// <summary>Reads a prompt, batch by batch, behind what was read and written before.</summary>
    /// <param name="tokens">At least one.</param>
    /// <param name="progress">Is told after each batch which share is read, up to 1.</param>
    /// <param name="cancellation">Ends the reading between two batches; what was read till then stays.</param>
    /// <returns>How fast it was.</returns>
    /// <exception cref="ArgumentException">There are no tokens; nothing was read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary; earlier batches were read.</exception>
    /// <exception cref="InvalidOperationException">The cache is not the model's, or the context is full; earlier batches were read. Or another call is in progress; nothing was read.</exception>
    /// <exception cref="OperationCanceledException">The reading was ended.</exception>
    public TokenSpeed Read(ReadOnlySpan<int> tokens, Action<double>? progress = null, CancellationToken cancellation = default)
    {
        if (tokens.IsEmpty) throw new ArgumentException("no token found, at least one wanted", nameof(tokens));
        using Turn.Taken turn = _turn.Take(this);
        long begin = Stopwatch.GetTimestamp();
        _readTo = null;
        for (int done = 0; done < tokens.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<int> batch = tokens.Slice(done, Math.Min(_batch, tokens.Length - done));
            done += batch.Length;
            if (done < tokens.Length) _decoder.Read(batch);
            else _decoder.Forward(batch, _logits);
            foreach (int token in batch)
            {
                _sampler.Accept(token);
                _lookup.Add(token);
            }
            progress?.Invoke((double)done / tokens.Length);
        }
        NoteRead();
        return new TokenSpeed(tokens.Length, Stopwatch.GetElapsedTime(begin));
    }

    /// <summary>Writes what follows, token by token. Every token is read again as it is written, the last one too.</summary>
    /// <param name="mostTokens">How many tokens at most, 0 or more; fewer where the model's context ends.</param>
    /// <param name="receive">Is given the text piece by piece; a character whose bytes are spread over tokens comes when it is complete.</param>
    /// <param name="cancellation">Ends the writing between two tokens. That is no error: the result holds what was written till then.</param>
    /// <returns>The text and how fast it was written.</returns>
    /// <exception cref="InvalidOperationException">No prompt was read, the cache has changed since, or another call is in progress.</exception>
    public GeneratedText Write(int mostTokens, Action<string>? receive = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(mostTokens);
        using Turn.Taken turn = _turn.Take(this);
        RequireRead();
        TextWriting writing = new(_tokenizer, mostTokens, receive, cancellation);
        // What was chosen in place of a wrong guess is not read yet.
        for (int? chosen = null; chosen is not null || MayGoOn(writing);) chosen = Advance(chosen ?? Choose(writing), writing);
        return writing.Finish();
    }

    /// <summary>Ends the generator's threads, unless they are shared. Model and attention stay open.</summary>
    public void Dispose() => _decoder.Dispose();

    private bool MayGoOn(TextWriting writing)
    {
        if (!writing.MayGoOn()) return false;
        if (_decoder.Room >= 1) return true;
        writing.EndAtContext();
        return false;
    }

    private int Choose(TextWriting writing)
    {
        writing.Watch.Start();
        int token = _sampler.Choose(_logits);
        writing.Watch.Stop();
        Hand(token, writing);
        return token;
    }

    private void Hand(int token, TextWriting writing)
    {
        _lookup.Add(token);
        writing.Add(token);
    }

    // Reads a token, together with guesses of what follows it. Returns what was chosen in place of the first wrong one, or null.
    private int? Advance(int token, TextWriting writing)
    {
        writing.Watch.Start();
        writing.Steps++;
        Span<int> pass = _pass.AsSpan(0, 1 + Math.Min(_drafts, Math.Min(writing.Left, _decoder.Room - 1)));
        pass[0] = token;
        pass = pass[..(1 + _lookup.Guess(pass[1..]))];
        int? other = null;
        if (pass.Length > 1 && TryRead(pass))
        {
            writing.Guesses += pass.Length - 1;
            other = Check(pass, writing);
        }
        else
        {
            _decoder.Forward([token], _logits);
            NoteRead();
        }
        writing.Watch.Stop();
        return other;
    }

    // Reads tokens on trial. A pool that has no room for that may have some for a single token.
    private bool TryRead(ReadOnlySpan<int> pass)
    {
        int floats = pass.Length * _logits.Length;
        if (_passLogits.Length < floats) _passLogits = new float[floats];
        DraftTrial trial = ((CompressedAttention)_attention).Trial;
        trial.Begin();
        bool read = false;
        try
        {
            _decoder.ForwardAlone(pass, _passLogits.AsMemory(0, floats));
            return read = true;
        }
        catch (CacheFullException)
        {
            return false;
        }
        finally
        {
            if (!read) trial.Keep(0);
        }
    }

    // Chooses token after token for as long as the guess was right.
    private int? Check(ReadOnlySpan<int> pass, TextWriting writing)
    {
        int kept = 1;
        int? other = null;
        try
        {
            while (kept < pass.Length && other is null && writing.MayGoOn())
            {
                int next = _sampler.Choose(_passLogits.AsSpan((kept - 1) * _logits.Length, _logits.Length));
                if (next == pass[kept]) kept++;
                else other = next;
                writing.Watch.Stop();
                Hand(next, writing);
                writing.Watch.Start();
            }
        }
        finally
        {
            // What was right stays, also where the receiver fails.
            ((CompressedAttention)_attention).Trial.Keep(kept);
            _passLogits.AsSpan((kept - 1) * _logits.Length, _logits.Length).CopyTo(_logits);
            NoteRead();
        }
        return other;
    }

    private void NoteRead() => _readTo = (Position, _attention.Changes);

    // Logits of another place would go on wrongly without a word.
    private void RequireRead()
    {
        if (_readTo is not { } read) throw new InvalidOperationException("no prompt was read to its end; read one first");
        if (Position is var found && found != read.Position) throw new InvalidOperationException($"the cache holds {found} tokens, the last that was read is number {read.Position}; read what comes next first");
        if (_attention.Changes != read.Changes) throw new InvalidOperationException($"the cache holds {found} tokens as it did, but it was written to since the last was read; read what comes next first");
    }
}
