using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Retrieval;

/// <summary>Asks a model what follows, again and again behind the same text.</summary>
internal sealed class Questioner : IDisposable
{
    private readonly KvCache _cache;
    private readonly CompressedAttention _attention;
    private readonly Decoder _decoder;
    private readonly float[] _logits;
    private readonly int _length;

    /// <summary>Begins behind what the cache holds.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cache">The text; it stays the caller's.</param>
    public Questioner(LanguageModel model, KvCache cache)
    {
        (_cache, _length) = (cache, cache.Length);
        _attention = new CompressedAttention(cache);
        _decoder = new Decoder(model, _attention, new DecoderOptions { Batch = 1, BeyondContext = true });
        _logits = new float[model.VocabularySize];
    }

    /// <summary>The likeliest token behind the text and one more token; the text is as it was afterwards.</summary>
    public int Answer(int token)
    {
        _decoder.Forward([token], _logits);
        _cache.Truncate(_length);
        return TensorPrimitives.IndexOfMax<float>(_logits);
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _attention.Dispose();
    }
}
