using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>A model that reads with one kind of cache; it can start again with an empty one.</summary>
internal sealed class Reader : IDisposable
{
    private readonly WorkerTeam _team;
    private readonly CompressedAttention _attention;

    /// <summary>A reader with an empty cache.</summary>
    /// <param name="model">The model; it stays the caller's.</param>
    /// <param name="options">How the cache stores.</param>
    /// <param name="batch">Tokens that go through a layer together.</param>
    /// <param name="threads">Threads of products and attention.</param>
    /// <param name="tokenByToken">Whether tokens of a batch see each other as the cache decodes them.</param>
    /// <param name="arithmetic">How products with weights are computed.</param>
    /// <param name="attention">How attention is; the defaults where null.</param>
    public Reader(LanguageModel model, KvCacheOptions options, int batch, int threads, bool tokenByToken, Arithmetic arithmetic = Arithmetic.Exact, AttentionSettings? attention = null)
    {
        Cache = new KvCache(options);
        _team = new WorkerTeam(threads);
        _attention = new CompressedAttention(Cache, attention, _team) { TokenByToken = tokenByToken };
        Decoder = new Decoder(model, _attention, new DecoderOptions { Arithmetic = arithmetic, Batch = batch, BeyondContext = true }, _team);
    }

    public KvCache Cache { get; }

    public Decoder Decoder { get; }

    public void Restart() => Cache.Clear();

    public void Dispose()
    {
        Decoder.Dispose();
        _attention.Dispose();
        _team.Dispose();
        Cache.Dispose();
    }
}
