using Kvant.Attention;
using Kvant.Caching;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Speed;

/// <summary>A model on a cache of one policy, which decodes token after token and remembers how long attention took.</summary>
internal sealed class DecodeContender : IDisposable
{
    private readonly CompressedAttention _inner;
    private readonly TimedAttention _attention;
    private readonly Decoder _decoder;
    private readonly Decoder? _reader;
    private readonly float[] _logits;
    private readonly List<double> _attentionTimes = [];

    public DecodeContender(DecodeSpeed speed, LanguageModel model, WorkerTeam team, LayerPolicy policy)
    {
        Cache = new KvCache(new KvCacheOptions
        {
            Geometry = model.CacheGeometry,
            Policy = policy,
            Window = speed.Window,
            Sinks = speed.Sinks,
        });
        _inner = new CompressedAttention(Cache, team: team);
        _attention = new TimedAttention(_inner);
        _decoder = new Decoder(model, _attention, new DecoderOptions { Arithmetic = speed.Arithmetic, Batch = 1, BeyondContext = true }, team);
        _logits = new float[model.VocabularySize];
        if (speed.Prompt > 0)
            _reader = new Decoder(model, _inner, new DecoderOptions { Arithmetic = speed.Arithmetic, Batch = Math.Min(speed.Prompt, PromptTurns.Part), BeyondContext = true }, team);
    }

    public KvCache Cache { get; }

    public float[] FirstQueries => _attention.FirstQueries;

    public float[] FirstOutputs => _attention.FirstOutputs;

    /// <summary>The median over all steps. Those that warm up are among them, which the middle of many does not feel.</summary>
    public double AttentionNanoseconds => Rounds.Median(_attentionTimes);

    /// <summary>Decodes one token; the cache grows by it.</summary>
    public void Step()
    {
        _decoder.Forward([1], _logits);
        _attentionTimes.Add(_attention.TakeNanoseconds());
    }

    /// <summary>Reads some tokens of a prompt at once; the cache grows by them.</summary>
    public void Read(int tokens) => _reader!.Read(new int[tokens]);

    public void Dispose()
    {
        _reader?.Dispose();
        _decoder.Dispose();
        _inner.Dispose();
        Cache.Dispose();
    }
}
