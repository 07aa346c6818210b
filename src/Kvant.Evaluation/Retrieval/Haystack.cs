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

    private readonly float[][] _keys;
    private readonly float[][] _values;
    private readonly int _dimension;

    private Haystack(int[] tokens, float[][] keys, float[][] values, int dimension) => (Tokens, _keys, _values, _dimension) = (tokens, keys, values, dimension);

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
        int dimension = model.Config.HeadDimension;
        using Reader reader = new(model.Config.CacheGeometry, length, threads);
        using Decoder decoder = new(model, reader, new DecoderOptions { Threads = threads, Batch = Batch });
        float[] logits = new float[model.VocabularySize];
        for (int first = 0; first < length; first += Batch)
        {
            decoder.Forward(tokens.AsSpan(first, Math.Min(Batch, length - first)), logits);
            step();
        }

        return new Haystack(tokens, reader.Keys, reader.Values, dimension);
    }

    /// <summary>Gives a cache the tokens that it lacks up to a length.</summary>
    public void Fill(KvCache cache, int length)
    {
        int from = cache.Length * _dimension, count = (length * _dimension) - from;
        for (int layer = 0; layer < _keys.Length; layer++)
            cache.Append(layer, _keys[layer].AsSpan(from, count), _values[layer].AsSpan(from, count));
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

    // Keeps what a cache would get. The last layer's attention changes no key and no value, so it is left out.
    private sealed class Reader : IAttention, IDisposable
    {
        private readonly KvCache _cache;
        private readonly CacheAttention _attention;
        private readonly int[] _filled;

        public Reader(CacheGeometry geometry, int length, int threads)
        {
            CodecSpec exact = CodecSpec.Parse("fp32");
            _cache = new KvCache(new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(geometry.Layers, exact, exact) });
            _attention = new CacheAttention(geometry, new AttentionSettings { Threads = threads });
            _filled = new int[geometry.Layers];
            Keys = [.. _filled.Select(_ => new float[length * geometry.KeyDimension])];
            Values = [.. _filled.Select(_ => new float[length * geometry.ValueDimension])];
        }

        public float[][] Keys { get; }

        public float[][] Values { get; }

        public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
        {
            keys.CopyTo(Keys[layer].AsSpan(_filled[layer]));
            values.CopyTo(Values[layer].AsSpan(_filled[layer]));
            _filled[layer] += keys.Length;
            if (layer + 1 < _filled.Length)
                _attention.Prefill(_cache, layer, queries, keys, values, outputs);
            else
                outputs.Clear();
        }

        public void Dispose()
        {
            _attention.Dispose();
            _cache.Dispose();
        }
    }
}
