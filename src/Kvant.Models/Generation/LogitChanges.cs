namespace Kvant.Models.Generation;

/// <summary>What biases and penalties make of logits, in llama.cpp's order: biases first, then repetition, frequency and presence of the recent tokens.</summary>
internal sealed class LogitChanges
{
    private readonly SamplerOptions _options;
    private readonly float[] _changed;
    private readonly int[] _times; // how often each token is among the recent ones
    private readonly Queue<int> _recent;
    private readonly KeyValuePair<int, float>[] _biases;
    private readonly int _most;

    internal LogitChanges(int vocabularySize, SamplerOptions options)
    {
        if (!(options.RepetitionPenalty > 0) || double.IsInfinity(options.RepetitionPenalty)) throw new ArgumentOutOfRangeException(nameof(options), options.RepetitionPenalty, "the repetition penalty must be a finite number above 0");
        if (!double.IsFinite(options.PresencePenalty)) throw new ArgumentOutOfRangeException(nameof(options), options.PresencePenalty, "the presence penalty must be finite");
        if (!double.IsFinite(options.FrequencyPenalty)) throw new ArgumentOutOfRangeException(nameof(options), options.FrequencyPenalty, "the frequency penalty must be finite");
        if (options.RecentTokens < 0) throw new ArgumentOutOfRangeException(nameof(options), options.RecentTokens, "the recent tokens must be 0 or more");
        foreach ((int token, float bias) in options.LogitBias)
        {
            if ((uint)token >= (uint)vocabularySize) throw new ArgumentOutOfRangeException(nameof(options), token, $"a bias is of a token from 0 to {vocabularySize - 1}");
            if (float.IsNaN(bias) || float.IsPositiveInfinity(bias)) throw new ArgumentOutOfRangeException(nameof(options), bias, "a bias must be finite, or negative infinity");
        }

        _options = options;
        _biases = [.. options.LogitBias];
        _changed = new float[vocabularySize];
        _times = new int[vocabularySize];
        _most = options.HasPenalties ? options.RecentTokens : 0;
        _recent = new Queue<int>(Math.Min(_most, 4096) + 1);
    }

    /// <summary>The changed logits, valid until the next call.</summary>
    internal ReadOnlySpan<float> Apply(ReadOnlySpan<float> logits)
    {
        logits.CopyTo(_changed);
        foreach ((int token, float bias) in _biases) _changed[token] += bias;
        foreach (int token in _recent)
        {
            // Each once, however often it came: a sign marks those that are done.
            if (_times[token] < 0) continue;
            double logit = _changed[token];
            logit = logit <= 0 ? logit * _options.RepetitionPenalty : logit / _options.RepetitionPenalty;
            logit = logit - (_options.FrequencyPenalty * _times[token]) - _options.PresencePenalty;
            // However large a penalty, what is finite stays so; what is forbidden stays forbidden.
            _changed[token] = float.IsFinite(_changed[token]) ? (float)Math.Clamp(logit, -float.MaxValue, float.MaxValue) : (float)logit;
            _times[token] = -_times[token];
        }

        foreach (int token in _recent) _times[token] = Math.Abs(_times[token]);
        return _changed;
    }

    internal void Accept(int token)
    {
        if (_most == 0) return;
        _recent.Enqueue(token);
        _times[token]++;
        if (_recent.Count > _most) _times[_recent.Dequeue()]--;
    }
}
