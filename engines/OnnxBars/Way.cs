using Kvant.Caching;
using Kvant.OnnxRuntime;
using Microsoft.ML.OnnxRuntime;

namespace OnnxBars;

/// <summary>A way of running a model: anything that takes a token and gives logits.</summary>
internal sealed class Way : IDisposable
{
    private readonly PlainSession? _plain;
    private readonly OnnxDecoder? _decoder;
    private readonly KvCache? _cache;
    private readonly float[] _logits;

    /// <summary>Opens a model.</summary>
    /// <param name="name"><c>plain</c>, <c>past</c>, <c>layers</c> or <c>cut</c>.</param>
    /// <param name="model">The ONNX file.</param>
    /// <param name="policy">How rows are stored: a preset, or the text of a policy.</param>
    /// <param name="threads">Threads of the session and of Kvant; 0 for as many as they take.</param>
    public Way(string name, string model, string policy, int threads = 0)
    {
        Name = name;
        OnnxDecoderOptions options = threads == 0 ? new() : new() { Threads = threads, Session = settings => settings.IntraOpNumThreads = threads };
        if (name == "plain")
        {
            using var settings = new SessionOptions();
            options.Session?.Invoke(settings);
            _plain = new PlainSession(model, settings);
        }
        else
        {
            _decoder = name is "past" or "layers" ? CompressedPast.Open(model, options, layerByLayer: name == "layers") : CutDecoder.Open(model, options, check: false);
            _cache = new KvCache(CachePreset.Find(policy) is not null ? _decoder.CacheOptions(policy)
                : _decoder.CacheOptions() with { Policy = LayerPolicy.Uniform(_decoder.Geometry.Layers, LayerSpecs.FromText(policy)) });
        }

        _logits = new float[_decoder?.VocabularySize ?? 0];
    }

    public string Name { get; }

    /// <summary>Bytes of the past: codes, or floats once.</summary>
    public long PastBytes => _plain?.PastBytes ?? _cache!.Statistics.TotalBytes;

    /// <summary>Reads tokens and gives the logits behind the last.</summary>
    public float[] Forward(params ReadOnlySpan<int> tokens)
    {
        if (_plain is not null)
            return _plain.Forward(tokens)[^1];
        _decoder!.Forward(_cache!, tokens, _logits);
        return _logits;
    }

    /// <summary>Puts random rows into the past.</summary>
    public void Fill(int tokens)
    {
        if (_plain is not null)
        {
            _plain.Fill(tokens);
            return;
        }

        var random = new Random(1);
        _cache!.Clear();
        float[] keys = new float[_cache.Geometry.KvHeads * _cache.Geometry.KeyDimension * 256], values = new float[_cache.Geometry.KvHeads * _cache.Geometry.ValueDimension * 256];
        for (int layer = 0; layer < _cache.Geometry.Layers; layer++)
        {
            for (int done = 0; done < tokens; done += 256)
            {
                foreach (ref float number in keys.AsSpan())
                    number = random.NextSingle() - .5f;
                foreach (ref float number in values.AsSpan())
                    number = random.NextSingle() - .5f;
                int count = Math.Min(256, tokens - done);
                _cache.Append(layer, keys.AsSpan(0, keys.Length / 256 * count), values.AsSpan(0, values.Length / 256 * count));
            }
        }
    }

    /// <summary>Rounds rows as a cache of halves does, where they are floats.</summary>
    public void Round(int tokens) => _plain?.Round(tokens);

    public void Dispose()
    {
        _plain?.Dispose();
        _decoder?.Dispose();
        _cache?.Dispose();
    }
}
