using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Models.Decoding;

/// <summary>
/// Runs a model for many sequences at once, each with a cache of its own: one step gives every sequence its next token and reads the weights once for
/// all of them. Sequences come and go between steps; prompts are read in parts between steps. Nothing is allocated after construction. One call at a
/// time; a second one is refused.
/// </summary>
/// <remarks>Up to 7 sequences get the bits that a <see cref="Decoder"/> with the same options gives each of them, in <see cref="Codecs.Arithmetic.Fast"/>; with more of them floats add up in
/// another order. A call that fails takes back what it had put into the caches.</remarks>
/// <example><code>
/// using BatchDecoder decoder = new(model, new DecoderOptions { Arithmetic = Arithmetic.Fast, Batch = 256 }, team: team);
/// decoder.Read(first, promptOfFirst, logits);        // then choose its next token, and the same for the second
/// decoder.Step([first, second], [tokenOfFirst, tokenOfSecond], logitsOfBoth);
/// </code></example>
public sealed class BatchDecoder : IDisposable
{
    private readonly LanguageModel _model;
    private readonly WorkerTeam _team;
    private readonly bool _ownsTeam;
    private readonly SequencesAttention _attention;
    private readonly Decoder _decoder;
    private readonly int _most;
    private readonly int _mostTokens;
    private Turn _turn;

    /// <summary>Prepares the buffers.</summary>
    /// <param name="model">An open model.</param>
    /// <param name="options">Threads, arithmetic, and as <see cref="DecoderOptions.Batch"/> the most sequences of a step and the tokens of a prompt that go through the layers together; null for the defaults.</param>
    /// <param name="settings">How attention computes; null for the defaults.</param>
    /// <param name="team">Threads that others use in turn; they stay the caller's. Null for threads of its own.</param>
    /// <exception cref="ArgumentOutOfRangeException">Threads or batch are less than 1.</exception>
    public BatchDecoder(LanguageModel model, DecoderOptions? options = null, AttentionSettings? settings = null, WorkerTeam? team = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new DecoderOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Batch, 1);
        (_model, _most) = (model, options.Batch);
        _team = team ?? new WorkerTeam(options.Threads);
        _ownsTeam = team is null;
        _attention = new SequencesAttention(model, settings, _team, _most);
        _decoder = new Decoder(model, _attention, options, _team);
        _mostTokens = _decoder.MostTokens;
    }

    /// <summary>The next token of each of some sequences: it goes behind what the cache holds, and the logits say what may come behind it.</summary>
    /// <param name="caches">At least one, at most the batch, each of the model's shape, none twice.</param>
    /// <param name="tokens">One for each.</param>
    /// <param name="logits">Receives sequences x vocabulary.</param>
    /// <exception cref="ArgumentException">Numbers of caches, tokens and logits do not fit each other, or a cache stands there twice; nothing was read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary; nothing was read.</exception>
    /// <exception cref="InvalidOperationException">A cache is not the model's, a context is full, or another call is in progress; nothing was read.</exception>
    public void Step(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Memory<float> logits)
    {
        using Turn.Taken turn = _turn.Take(this);
        if (caches.Length > _most || caches.Length != tokens.Length)
            throw new ArgumentException($"{caches.Length} caches and {tokens.Length} tokens found; as many of both are wanted, at most {_most}", nameof(caches));
        for (int i = 0; i < caches.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(caches[i], nameof(caches));
            if (caches[..i].Contains(caches[i])) throw new ArgumentException($"cache {i} stands there twice", nameof(caches));
            CompressedAttention.Require(caches[i], _model);
            if (CompressedAttention.LengthOf(caches[i]) >= _mostTokens)
                throw new InvalidOperationException($"sequence {i} fills the model's context of {_mostTokens}");
        }

        Run(caches, prompt: false, tokens, logits);
    }

    /// <summary>Reads tokens of one sequence: its prompt, or a part of it.</summary>
    /// <param name="cache">Of the model's shape.</param>
    /// <param name="tokens">At least one; tokens of a batch see each other exactly and what came before as the cache decodes it.</param>
    /// <param name="logits">Receives the logits behind the last token; empty where they are not wanted, which is cheaper.</param>
    /// <exception cref="ArgumentException">There are no tokens, or the logits have another length; nothing was read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary; nothing was read.</exception>
    /// <exception cref="InvalidOperationException">The cache is not the model's, its context is full, or another call is in progress; nothing was read.</exception>
    public void Read(KvCache cache, ReadOnlySpan<int> tokens, Memory<float> logits = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        using Turn.Taken turn = _turn.Take(this);
        CompressedAttention.Require(cache, _model);
        Run([cache], prompt: true, tokens, logits);
    }

    /// <summary>Ends the threads, unless they are shared, after the call in progress; twice is fine. Model and caches stay open.</summary>
    public void Dispose()
    {
        if (!_turn.End(this, within: _team.IsWorker)) return;
        _decoder.Dispose();
        _attention.Dispose();
        if (_ownsTeam) _team.Dispose();
    }

    private void Run(ReadOnlySpan<KvCache> caches, bool prompt, ReadOnlySpan<int> tokens, Memory<float> logits)
    {
        _attention.Begin(caches, prompt);
        bool done = false;
        try
        {
            if (!prompt) _decoder.ForwardEach(tokens, logits);
            else if (logits.IsEmpty) _decoder.Read(tokens);
            else _decoder.Forward(tokens, logits);
            done = true;
        }
        finally
        {
            _attention.End(failed: !done);
        }
    }
}
