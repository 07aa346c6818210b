using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Numerics;

namespace Kvant.Evaluation.Retrieval;

/// <summary>
/// A text of an <see cref="InductionModel"/>, different tokens in random order, read once without compression: its keys and values, from
/// which the cache of every codec is filled. A prompt is read like that: exactly among its own tokens.
/// </summary>
internal sealed class Haystack
{
    /// <summary>Tokens that are read between two reports of progress.</summary>
    public const int Batch = 256;

    private readonly RecordingAttention _recorded;
    private readonly CacheGeometry _geometry;

    private Haystack(int[] tokens, RecordingAttention recorded, CacheGeometry geometry) => (Tokens, _recorded, _geometry) = (tokens, recorded, geometry);

    /// <summary>The text. A shorter text is its beginning.</summary>
    public int[] Tokens { get; }

    /// <summary>Reads the text.</summary>
    /// <param name="model">An induction model.</param>
    /// <param name="length">Tokens, at most the vocabulary.</param>
    /// <param name="seed">Names the order.</param>
    /// <param name="threads">Threads that read.</param>
    /// <param name="step">Called behind each batch.</param>
    public static Haystack Read(LanguageModel model, int length, ulong seed, int threads, Action step)
    {
        int[] tokens = Shuffle(model.VocabularySize, seed)[..length];
        CacheGeometry geometry = model.CacheGeometry;
        CodecSpec exact = CodecSpec.Parse("fp32");
        using var cache = new KvCache(new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(geometry.Layers, exact, exact) });
        using var team = new WorkerTeam(threads);
        using var attention = new CompressedAttention(cache, team: team);
        var recorded = new RecordingAttention(new AllButLast(cache, attention), geometry.Layers);
        using var decoder = new Decoder(model, recorded, new DecoderOptions { Batch = Batch }, team);
        for (int first = 0; first < length; first += Batch)
        {
            decoder.Read(tokens.AsSpan(first, Math.Min(Batch, length - first)));
            step();
        }

        return new Haystack(tokens, recorded, geometry);
    }

    /// <summary>Gives a cache the tokens that it lacks up to a length.</summary>
    public void Fill(KvCache cache, int length)
    {
        int from = cache.Length, count = length - from, keys = _geometry.KvHeads * _geometry.KeyDimension, values = _geometry.KvHeads * _geometry.ValueDimension;
        for (int layer = 0; layer < _geometry.Layers; layer++)
            cache.Append(layer, _recorded.Keys(layer).Slice(from * keys, count * keys), _recorded.Values(layer).Slice(from * values, count * values));
    }

    private static int[] Shuffle(int count, ulong seed)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        SeededRandom random = new(seed, stream: 2);
        for (int i = count - 1; i > 0; i--)
        {
            int j = (int)(random.NextDouble() * (i + 1));
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    // The last layer's attention changes no key and no value, so it is left out.
    private sealed class AllButLast(KvCache cache, CompressedAttention inner) : IAttention
    {
        public int Length => cache.LayerLength(0);

        public long Changes => cache.Changes;

        public void Require(LanguageModel model) => inner.Require(model);

        public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
        {
            if (layer + 1 < cache.Geometry.Layers)
                inner.Attend(layer, queries, keys, values, outputs);
            else
                outputs.Clear();
        }
    }
}
