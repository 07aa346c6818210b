using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Models.Decoding;

/// <summary>
/// Lets a decoder run on a <see cref="KvCache"/>, whatever its codecs are. Tokens that come together see each other exactly and what was
/// cached before as it decodes; a token that comes alone sees everything as it decodes, itself included.
/// </summary>
public sealed class CompressedAttention : IAttention, IDisposable
{
    private readonly KvCache _cache;
    private readonly CacheAttention _attention;
    private readonly DraftTrial _trial;

    /// <summary>Attends over a cache.</summary>
    /// <param name="cache">Of the geometry that <see cref="LanguageModel.CacheGeometry"/> gives; it stays the caller's.</param>
    /// <param name="settings">Threads and arithmetic; null for one thread.</param>
    /// <param name="team">Threads that others use in turn, best the decoder's; they stay the caller's, and the settings' number of threads does not
    /// matter then. Null for threads of its own.</param>
    public CompressedAttention(KvCache cache, AttentionSettings? settings = null, WorkerTeam? team = null)
    {
        ArgumentNullException.ThrowIfNull(cache);
        _cache = cache;
        _attention = new CacheAttention(cache.Geometry, settings, team);
        _trial = new DraftTrial(cache);
    }

    /// <summary>Whether tokens that come together are read one by one, each seeing what came before it as the cache decodes it: what a
    /// text costs that is generated, not read, for any number of tokens at once. False unless said.</summary>
    public bool TokenByToken { get; init; }

    /// <summary>Takes tokens of which some may be refused.</summary>
    internal DraftTrial Trial => _trial;

    // What tokens go to: the cache, or a fork while they are on trial.
    private KvCache Target => _trial.Fork ?? _cache;

    /// <inheritdoc/>
    public int Length => LengthOf(Target);

    /// <inheritdoc/>
    public long Changes => _cache.Changes;

    /// <inheritdoc/>
    public void Require(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Require(_cache, model);
    }

    /// <inheritdoc/>
    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        int keyFloats = _cache.Geometry.KvHeads * _cache.Geometry.KeyDimension, tokens = keys.Length / keyFloats;
        if (tokens != 1 && !TokenByToken && _trial.Fork is null)
        {
            _attention.Prefill(_cache, layer, queries, keys, values, outputs);
            return;
        }
        if (tokens == 0) return;
        KvCache target = Target;
        int queryFloats = queries.Length / tokens, valueFloats = values.Length / tokens, outputFloats = outputs.Length / tokens;
        for (int token = 0; token < tokens; token++)
        {
            target.Append(layer, keys.Slice(token * keyFloats, keyFloats), values.Slice(token * valueFloats, valueFloats));
            _attention.Decode(target, layer, queries.Slice(token * queryFloats, queryFloats), outputs.Slice(token * outputFloats, outputFloats));
        }
        _trial.Note(layer, queries, keys, values, tokens);
    }

    /// <summary>How many tokens every layer of a cache holds.</summary>
    /// <exception cref="InvalidOperationException">Layers hold different numbers of tokens.</exception>
    internal static int LengthOf(KvCache cache)
    {
        int least = int.MaxValue, most = 0;
        for (int layer = 0; layer < cache.Geometry.Layers; layer++)
        {
            int length = cache.LayerLength(layer);
            (least, most) = (Math.Min(least, length), Math.Max(most, length));
        }
        return least == most ? least : throw new InvalidOperationException(
            $"The layers of the cache hold {least} to {most} tokens, since a step ended in its middle; truncate the cache to {least}.");
    }

    /// <summary>Refuses a cache that is not the model's.</summary>
    internal static void Require(KvCache cache, LanguageModel model)
    {
        if (cache.Geometry != model.CacheGeometry)
            throw new InvalidOperationException($"The cache is of {cache.Geometry}; the model's is of {model.CacheGeometry}.");
        if (cache.Options.Identity is not { } identity) return;
        if ((identity.Weights ?? model.Identity.Weights) != model.Identity.Weights)
            throw new InvalidOperationException($"The cache is of the weights {identity.Weights}; the model's are {model.Identity.Weights}.");
        if ((identity.Positions ?? model.Identity.Positions) != model.Identity.Positions)
            throw new InvalidOperationException($"The cache has the positions '{identity.Positions}'; the model has '{model.Identity.Positions}'.");
    }

    /// <summary>Ends the threads of attention, unless they are shared. The cache stays open.</summary>
    public void Dispose()
    {
        _attention.Dispose();
        _trial.Keep(0);
    }
}
