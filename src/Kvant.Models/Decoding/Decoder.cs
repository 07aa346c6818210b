using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>
/// Runs a model: tokens in, logits out, keys and values into a cache of the caller's choice. Many tokens at once give the same logits as
/// one by one, but for rounding. Nothing is allocated after construction. One call at a time; a second one is refused.
/// </summary>
/// <remarks>
/// <para>Positions are the cache's: a token goes behind whatever it holds, so a cache that was forked, thawed, truncated or emptied needs no word to the
/// decoder. Before each call it is checked that the cache is the model's, that its layers are equally long, and that the tokens fit the model's context.</para>
/// <para>If attention fails in the middle of a step, some layers have tokens that others lack: truncate or empty the cache.</para>
/// </remarks>
public sealed class Decoder : IDisposable
{
    private readonly LanguageModel _model;
    private readonly IAttention _attention;
    private readonly int _batch;
    private readonly int _mostTokens;
    private readonly bool _beyondContext;
    private Turn _turn;
    private readonly WorkerTeam _team;
    private readonly bool _ownsTeam;
    private readonly MatrixProduct _product;
    private readonly Rope _rope;
    private readonly Rope _windowRope;
    private readonly int[] _positions;
    private readonly float[] _states;
    private readonly float[] _normed;
    private readonly float[] _queries;
    private readonly float[] _keys;
    private readonly float[] _values;
    private readonly float[] _mixed;
    private readonly FeedForward _feedForward;

    /// <summary>Prepares the buffers.</summary>
    /// <param name="model">An open model.</param>
    /// <param name="attention">Where keys and values go, and where those of earlier tokens are: of the model's layers, heads and dimension.</param>
    /// <param name="options">Threads and batch; null for one thread.</param>
    /// <param name="team">Threads that others use in turn, best the attention's; they stay the caller's, and the options' number of threads does not
    /// matter then. Null for threads of its own.</param>
    /// <exception cref="ArgumentOutOfRangeException">Threads or batch are less than 1.</exception>
    public Decoder(LanguageModel model, IAttention attention, DecoderOptions? options = null, WorkerTeam? team = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(attention);
        options ??= new DecoderOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Batch, 1);
        ModelConfig config = model.Config;
        _model = model;
        _attention = attention;
        _batch = options.Batch;
        _beyondContext = options.BeyondContext;
        _mostTokens = !_beyondContext ? config.ContextLength : config.SlidingWindow >= config.ContextLength ? config.SlidingWindow : int.MaxValue;
        _positions = new int[_batch];
        _states = Buffer(config.Width);
        _normed = Buffer(config.Width);
        _queries = Buffer(config.QueryHeads * config.HeadDimension);
        _mixed = Buffer(config.QueryHeads * config.HeadDimension);
        _keys = Buffer(config.KeyValueHeads * config.HeadDimension);
        _values = Buffer(config.KeyValueHeads * config.HeadDimension);
        _rope = new Rope(model.Turns, _batch);
        _windowRope = model.WindowTurns is { } turns ? new Rope(turns, _batch) : _rope;
        _team = team ?? new WorkerTeam(options.Threads);
        _ownsTeam = team is null;
        _product = new MatrixProduct(_team, model.LongestRow, options.Arithmetic);
        _feedForward = new FeedForward(model, _product, _batch);

        float[] Buffer(int numbers) => new float[checked(_batch * numbers)];
    }

    /// <summary>The position of the next token: how many the cache holds.</summary>
    /// <exception cref="InvalidOperationException">A step ended in its middle.</exception>
    public int Position => _attention.Length;

    /// <summary>The most tokens of a sequence.</summary>
    internal int MostTokens => _mostTokens;

    /// <summary>How many tokens there is still room for in the model's context.</summary>
    internal int Room => _mostTokens - Position;

    /// <summary>Reads tokens and says what may come next.</summary>
    /// <param name="tokens">At least one.</param>
    /// <param name="logits">Receives the logits behind the last token, one for each token of the vocabulary.</param>
    /// <exception cref="ArgumentException">There are no tokens, or the logits have another length; nothing was read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary; nothing was read.</exception>
    /// <exception cref="InvalidOperationException">The cache is not the model's, a step ended in its middle, the context is full, or another call is in progress; nothing was read.</exception>
    public void Forward(ReadOnlySpan<int> tokens, Memory<float> logits)
    {
        using Turn.Taken turn = _turn.Take(this);
        Check(tokens, logits.Length, 1);
        while (!tokens.IsEmpty)
        {
            int count = Math.Min(_batch, tokens.Length);
            RunLayers(tokens[..count]);
            tokens = tokens[count..];
            if (tokens.IsEmpty) Speak(count - 1, 1, logits);
        }
    }

    /// <summary>Reads tokens without saying what may come next: cheaper, for all of a prompt but its last part.</summary>
    /// <param name="tokens">At least one.</param>
    /// <exception cref="ArgumentException">There are no tokens; nothing was read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary; nothing was read.</exception>
    /// <exception cref="InvalidOperationException">The cache is not the model's, a step ended in its middle, the context is full, or another call is in progress; nothing was read.</exception>
    public void Read(ReadOnlySpan<int> tokens)
    {
        using Turn.Taken turn = _turn.Take(this);
        Check(tokens, 0, 0);
        for (; !tokens.IsEmpty; tokens = tokens[Math.Min(_batch, tokens.Length)..]) RunLayers(tokens[..Math.Min(_batch, tokens.Length)]);
    }

    /// <summary>Reads tokens and says after each what may come next.</summary>
    /// <param name="tokens">At least one.</param>
    /// <param name="logits">Receives tokens x vocabulary.</param>
    /// <exception cref="ArgumentException">There are no tokens, or the logits have another length; nothing was read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary; nothing was read.</exception>
    /// <exception cref="InvalidOperationException">The cache is not the model's, a step ended in its middle, the context is full, or another call is in progress; nothing was read.</exception>
    public void ForwardEach(ReadOnlySpan<int> tokens, Memory<float> logits)
    {
        using Turn.Taken turn = _turn.Take(this);
        Check(tokens, logits.Length, tokens.Length);
        while (!tokens.IsEmpty)
        {
            int count = Math.Min(_batch, tokens.Length);
            RunLayers(tokens[..count]);
            Speak(0, count, logits[..(count * _model.VocabularySize)]);
            tokens = tokens[count..];
            logits = logits[(count * _model.VocabularySize)..];
        }
    }

    /// <summary>As <see cref="ForwardEach"/>, with the bits that reading one token after the other gives, where attention takes them one by one too.</summary>
    internal void ForwardAlone(ReadOnlySpan<int> tokens, Memory<float> logits)
    {
        _product.EachAlone = true;
        try
        {
            ForwardEach(tokens, logits);
        }
        finally
        {
            _product.EachAlone = false;
        }
    }

    /// <summary>Ends the decoder's threads, unless they are shared, after the call in progress; twice is fine. The model stays open.</summary>
    /// <exception cref="InvalidOperationException">Called from within a call, which would wait for itself.</exception>
    public void Dispose()
    {
        if (_turn.End(this, within: _team.IsWorker) && _ownsTeam) _team.Dispose();
    }

    private void Check(ReadOnlySpan<int> tokens, int logits, int rows)
    {
        if (tokens.IsEmpty) throw new ArgumentException("no token found, at least one wanted", nameof(tokens));
        if (logits != (long)rows * _model.VocabularySize)
            throw new ArgumentException($"{logits} logits found, {rows} x {_model.VocabularySize} wanted", nameof(logits));
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)_model.VocabularySize) throw new ArgumentOutOfRangeException(nameof(tokens), token, $"the tokens are 0 to {_model.VocabularySize - 1}");
        }
        _attention.Require(_model);
        int position = Position, more = _attention is SequencesAttention { Positions.IsEmpty: false } ? 1 : tokens.Length;
        if (more > _mostTokens - position)
            throw new InvalidOperationException($"{tokens.Length} tokens behind the {position} that are cached reach past the model's context of {_mostTokens}" + (!_beyondContext ? $"; {nameof(DecoderOptions.BeyondContext)} permits that" : ", its sliding window"));
    }

    private void RunLayers(ReadOnlySpan<int> tokens)
    {
        int width = _model.Config.Width, count = tokens.Length;
        for (int i = 0; i < count; i++) _model.Embedding.ReadRow(tokens[i], _states.AsSpan(i * width, width));
        if (_model.Architecture.ScalesEmbeddings) TensorPrimitives.Multiply(_states.AsSpan(0, count * width), MathF.Sqrt(width), _states);
        ReadOnlySpan<int> positions = Positions(count);
        _rope.Prepare(positions);
        if (_windowRope != _rope) _windowRope.Prepare(positions);
        for (int layer = 0; layer < _model.Layers.Count; layer++)
        {
            Attend(layer, count);
            LayerWeights weights = _model.Layers[layer];
            _feedForward.Apply(weights, Normalize(weights.FeedForwardNorm, 0, count), _normed, count);
            AddToStates(weights.DownNorm, count);
        }
    }

    // One behind the other, unless each token is another sequence's.
    private ReadOnlySpan<int> Positions(int count)
    {
        if (_attention is SequencesAttention { Positions: { IsEmpty: false } positions }) return positions;
        int first = Position;
        for (int i = 0; i < count; i++) _positions[i] = first + i;
        return _positions.AsSpan(0, count);
    }

    private void Attend(int layer, int count)
    {
        LayerWeights weights = _model.Layers[layer];
        ReadOnlyMemory<float> normed = Normalize(weights.AttentionNorm, 0, count);
        Span<float> queries = Project(weights.Query, normed, _queries, count);
        Span<float> keys = Project(weights.Key, normed, _keys, count);
        Span<float> values = Project(weights.Value, normed, _values, count);
        if (weights.QueryNorm is { } queryNorm) Norms.Apply(queries, queryNorm, _model.Config.Epsilon, queries);
        if (weights.KeyNorm is { } keyNorm) Norms.Apply(keys, keyNorm, _model.Config.Epsilon, keys);
        Rope rope = _model.Config.IsLocal(layer) ? _windowRope : _rope;
        rope.Rotate(queries, count);
        rope.Rotate(keys, count);
        if (_model.Config.QueryFactor != 1) TensorPrimitives.Multiply(queries, _model.Config.QueryFactor, queries);
        Memory<float> mixed = _mixed.AsMemory(0, queries.Length);
        _attention.Attend(layer, queries, keys, values, mixed.Span);
        Project(weights.Output, mixed, _normed, count);
        AddToStates(weights.OutputNorm, count);
    }

    private void Speak(int first, int count, Memory<float> logits)
    {
        _product.Multiply(_model.Output, Normalize(_model.OutputNorm, first, count), logits);
        if (_model.Config.LogitCap is > 0 and float cap)
        {
            TensorPrimitives.Divide(logits.Span, cap, logits.Span);
            TensorPrimitives.Tanh(logits.Span, logits.Span);
            TensorPrimitives.Multiply(logits.Span, cap, logits.Span);
        }
    }

    private ReadOnlyMemory<float> Normalize(float[] weights, int first, int count)
    {
        int width = _model.Config.Width;
        Norms.Apply(_states.AsSpan(first * width, count * width), weights, _model.Config.Epsilon, _normed);
        return _normed.AsMemory(0, count * width);
    }

    private Span<float> Project(Projection projection, ReadOnlyMemory<float> inputs, float[] buffer, int count) => projection.Apply(_product, inputs, buffer, count).Span;

    // What is added lies where its part was normalized from, which has been used up.
    private void AddToStates(float[]? norm, int count)
    {
        Span<float> change = _normed.AsSpan(0, count * _model.Config.Width), states = _states.AsSpan(0, change.Length);
        if (norm is not null) Norms.Apply(change, norm, _model.Config.Epsilon, change);
        TensorPrimitives.Add(states, change, states);
    }
}
