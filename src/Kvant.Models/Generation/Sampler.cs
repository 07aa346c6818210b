using System.Numerics.Tensors;
using Kvant.Numerics;

namespace Kvant.Models.Generation;

/// <summary>
/// Chooses tokens by their logits: first biases and penalties, then the most likely ones by number, then by probability, then one of them at random by
/// temperature. Nothing is allocated after construction. One thread at a time.
/// </summary>
public sealed class Sampler
{
    private readonly SamplerOptions _options;
    private readonly SeededRandom _random;
    private readonly int[] _tokens;
    private readonly float[] _logits;
    private readonly double[] _weights;
    private readonly PriorityQueue<int, (float Logit, int Earliness)> _best;
    private readonly Nucleus? _nucleus;
    private readonly LogitChanges? _changes;

    /// <summary>Prepares the buffers.</summary>
    /// <param name="vocabularySize">How many logits there will be.</param>
    /// <param name="options">How to choose; null for greedy.</param>
    /// <exception cref="ArgumentOutOfRangeException">A setting makes no sense.</exception>
    public Sampler(int vocabularySize, SamplerOptions? options = null)
    {
        options ??= new SamplerOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        if (!(options.Temperature >= 0) || double.IsInfinity(options.Temperature)) throw new ArgumentOutOfRangeException(nameof(options), options.Temperature, "the temperature must be 0 or a finite number above");
        if (!(options.TopP is > 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(options), options.TopP, "top-p must be above 0 and at most 1");
        if (options.TopK < 0) throw new ArgumentOutOfRangeException(nameof(options), options.TopK, "top-k must be 0 or more");
        if (!(options.MinP is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(options), options.MinP, "min-p must be 0 to 1");
        _options = options;
        _changes = options.ChangesLogits ? new LogitChanges(vocabularySize, options) : null;
        _random = new SeededRandom(options.Seed);
        _tokens = new int[vocabularySize];
        _logits = new float[vocabularySize];
        _weights = new double[vocabularySize];
        _nucleus = options is { TopP: < 1, Temperature: > 0 } ? new Nucleus(vocabularySize) : null;
        _best = new PriorityQueue<int, (float, int)>(Math.Min(options.TopK, vocabularySize) + 1);
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">One for each token; negative infinity for tokens that must not come.</param>
    /// <exception cref="ArgumentException">There is another number of logits, or the largest of them is not finite.</exception>
    public int Choose(ReadOnlySpan<float> logits)
    {
        if (logits.Length != _tokens.Length) throw new ArgumentException($"{logits.Length} logits found, {_tokens.Length} wanted", nameof(logits));
        if (_changes is not null) logits = _changes.Apply(logits);
        float largest = TensorPrimitives.Max(logits);
        if (!float.IsFinite(largest)) throw new ArgumentException($"the largest logit is {largest}, a finite number is wanted", nameof(logits));
        int token = _options.Temperature == 0 ? logits.IndexOf(largest) : Draw(LikelyEnough(Candidates(logits, largest), largest), largest);
        Accept(token);
        return token;
    }

    /// <summary>Tells of a token that was not chosen here, such as one of a prompt, so that penalties know it.</summary>
    /// <param name="token">One of the vocabulary.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public void Accept(int token)
    {
        if ((uint)token >= (uint)_tokens.Length) throw new ArgumentOutOfRangeException(nameof(token), token, $"the tokens are 0 to {_tokens.Length - 1}");
        _changes?.Accept(token);
    }

    /// <summary>Fills in the tokens to choose from, the most likely first if that matters, and returns how many they are.</summary>
    private int Candidates(ReadOnlySpan<float> logits, float largest)
    {
        int count = _tokens.Length;
        bool few = _options.TopK > 0 && _options.TopK < count;
        if (few)
        {
            for (int token = 0; token < logits.Length; token++)
            {
                // Of equal logits the earlier token stays.
                if (_best.Count < _options.TopK) _best.Enqueue(token, (logits[token], -token));
                else _best.EnqueueDequeue(token, (logits[token], -token));
            }
            for (count = _best.Count; _best.TryDequeue(out int token, out _);) _tokens[_best.Count] = token;
        }
        else if (_nucleus is not null) count = _nucleus.Find(logits, largest, _options.TopP, _tokens);
        else
        {
            for (int token = 0; token < count; token++) _tokens[token] = token;
        }
        for (int i = 0; i < count; i++) _logits[i] = logits[_tokens[i]];
        return few && _options.TopP < 1 ? Likely(count, largest) : count;
    }

    private int Likely(int count, float largest)
    {
        double left = _options.TopP * Weigh(count, largest, 1);
        for (int i = 0; i < count; i++)
        {
            left -= _weights[i];
            if (left <= 0) return i + 1;
        }
        return count;
    }

    // Of the candidates those that min-p leaves; the most likely one always is.
    private int LikelyEnough(int count, float largest)
    {
        if (_options.MinP == 0) return count;
        double least = largest + Math.Log(_options.MinP);
        int left = 0;
        for (int i = 0; i < count; i++)
        {
            if (_logits[i] >= least) (_tokens[left], _logits[left++]) = (_tokens[i], _logits[i]);
        }
        return left;
    }

    private int Draw(int count, float largest)
    {
        double left = _random.NextDouble() * Weigh(count, largest, _options.Temperature);
        int chosen = 0;
        for (int i = 0; i < count; i++)
        {
            if (_weights[i] == 0) continue;
            chosen = i;
            left -= _weights[i];
            if (left < 0) break;
        }
        return _tokens[chosen];
    }

    private double Weigh(int count, float largest, double temperature)
    {
        double sum = 0;
        for (int i = 0; i < count; i++) sum += _weights[i] = Math.Exp((_logits[i] - largest) / temperature);
        return sum;
    }
}
