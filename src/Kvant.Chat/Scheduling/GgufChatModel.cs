using Kvant.Attention;
using Kvant.Caching;
using Kvant.Models.Decoding;

namespace Kvant.Chat.Scheduling;

/// <summary>A model in a GGUF file that Kvant computes.</summary>
internal sealed class GgufChatModel : IChatModel
{
    private readonly LanguageModel _model;
    private readonly WorkerTeam _team;
    private readonly BatchDecoder _decoder;

    /// <summary>Runs a model.</summary>
    /// <param name="model">Closed with it.</param>
    /// <param name="options">Threads, arithmetic and batches.</param>
    public GgufChatModel(LanguageModel model, KvantChatOptions options)
    {
        _model = model;
        _team = new WorkerTeam(options.Threads);
        _decoder = new BatchDecoder(model, new DecoderOptions { Arithmetic = options.Arithmetic, Batch = Math.Max(options.Batch, options.StepSequences) }, team: _team);
    }

    public int Context => _model.Config.ContextLength;

    public int VocabularySize => _model.VocabularySize;

    public KvCacheOptions CacheOptions(string policy) => _model.CacheOptions(policy);

    public void Read(KvCache cache, ReadOnlySpan<int> tokens, Memory<float> logits) => _decoder.Read(cache, tokens, logits);

    public void Step(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Memory<float> logits) => _decoder.Step(caches, tokens, logits);

    public void Dispose()
    {
        _decoder.Dispose();
        _team.Dispose();
        _model.Dispose();
    }
}
