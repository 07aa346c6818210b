using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Models.Decoding;

/// <summary>Lets one decoder serve many sequences, each with a cache of its own: the next token of every one of them, or a prompt of one.</summary>
internal sealed class SequencesAttention(LanguageModel model, AttentionSettings? settings, WorkerTeam team, int most) : IAttention, IDisposable
{
    private readonly CacheAttention _attention = new(model.CacheGeometry, settings, team);
    private readonly KvCache[] _caches = new KvCache[most];
    private readonly int[] _positions = new int[most];
    private int _count;
    private bool _prompt;

    /// <summary>Where the next token of each sequence goes; empty while a prompt is read, whose tokens follow each other.</summary>
    internal ReadOnlySpan<int> Positions => _prompt ? default : _positions.AsSpan(0, _count);

    /// <summary>The longest sequence.</summary>
    public int Length
    {
        get
        {
            int longest = 0;
            foreach (KvCache cache in _caches.AsSpan(0, _count)) longest = Math.Max(longest, CompressedAttention.LengthOf(cache));
            return longest;
        }
    }

    /// <summary>Nobody keeps what belongs to the last token of one of many sequences.</summary>
    public long Changes => 0;

    public void Require(LanguageModel model)
    {
        foreach (KvCache cache in _caches.AsSpan(0, _count)) CompressedAttention.Require(cache, model);
    }

    /// <summary>Says whose tokens come next.</summary>
    /// <param name="caches">At most as many as there is room for.</param>
    /// <param name="prompt">Whether they are many tokens of one sequence.</param>
    internal void Begin(ReadOnlySpan<KvCache> caches, bool prompt)
    {
        caches.CopyTo(_caches);
        (_count, _prompt) = (caches.Length, prompt);
        for (int i = 0; i < _count; i++) _positions[i] = CompressedAttention.LengthOf(_caches[i]);
    }

    /// <summary>Forgets the caches; what a step that failed left in them goes, too. One that was refused left nothing.</summary>
    internal void End(bool failed)
    {
        for (int i = 0; failed && i < _count; i++) TakeBack(_caches[i], _positions[i]);
        _caches.AsSpan(0, _count).Clear();
        _count = 0;
    }

    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        ReadOnlySpan<KvCache> caches = _caches.AsSpan(0, _count);
        int keyFloats = model.CacheGeometry.KvHeads * model.CacheGeometry.KeyDimension, valueFloats = values.Length / (keys.Length / keyFloats);
        if (_prompt && keys.Length > keyFloats)
        {
            _attention.Prefill(caches[0], layer, queries, keys, values, outputs);
            return;
        }

        for (int i = 0; i < caches.Length; i++) caches[i].Append(layer, keys.Slice(i * keyFloats, keyFloats), values.Slice(i * valueFloats, valueFloats));
        _attention.Decode(caches, layer, queries, outputs);
    }

    public void Dispose() => _attention.Dispose();

    private static void TakeBack(KvCache cache, int length)
    {
        for (int layer = 0; layer < cache.Geometry.Layers; layer++)
        {
            if (cache.LayerLength(layer) == length) continue;
            cache.Truncate(length);
            return;
        }
    }
}
