using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>Positions are the cache's, and a cache that is not the model's is refused before anything changes.</summary>
public sealed class PositionTests : IDisposable
{
    private static readonly CodecSpec s_exact = CodecSpec.Parse("fp32");
    private readonly TemporaryFolder _folder = new();
    private readonly LanguageModel _model;
    private readonly KvCache _cache;
    private readonly CompressedAttention _attention;
    private readonly Decoder _decoder;
    private readonly float[] _logits;

    public PositionTests()
    {
        TinyModels.Write(_folder.File("model"), "llama");
        _model = LanguageModel.Open(_folder.File("model"));
        _cache = new KvCache(Options(_model.CacheGeometry));
        _attention = new CompressedAttention(_cache);
        _decoder = new Decoder(_model, _attention, new DecoderOptions { Batch = 8 });
        _logits = new float[_model.VocabularySize];
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _attention.Dispose();
        _cache.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void ADecoderStandsWhereItsCacheEnds()
    {
        _decoder.Read([1, 2, 3, 4, 5]);
        using KvCache fork = _cache.Fork();
        using CompressedAttention attention = new(fork);
        using Decoder other = new(_model, attention);
        Assert.Equal(5, other.Position);
        _decoder.Forward([6], _logits);
        float[] found = new float[_logits.Length];
        other.Forward([6], found);
        Assert.Equal(_logits, found);
        _cache.Truncate(2);
        Assert.Equal((2, 6), (_decoder.Position, other.Position));
        _decoder.Read([3, 4, 5]);
        _decoder.Forward([6], _logits);
        // Other splits add in another order.
        for (int i = 0; i < found.Length; i++) Assert.Equal(found[i], _logits[i], Tolerances.Batch);
    }

    [Fact]
    public void LayersOfUnequalLengthAreRefusedUntilTheyAreCut()
    {
        _decoder.Read([1, 2, 3]);
        float[] row = new float[TinyModels.KeyValueHeads * _model.Config.HeadDimension];
        _cache.Append(1, row, row);
        Refused("3 to 4 tokens", () => _decoder.Forward([4], _logits));
        Assert.Equal(3, _cache.LayerLength(0));
        _cache.Truncate(3);
        _decoder.Forward([4], _logits);
        Assert.Equal(4, _cache.Length);
    }

    [Fact]
    public void ACacheOfAnotherShapeIsRefused()
    {
        using KvCache other = new(Options(_model.CacheGeometry with { Layers = 2 }));
        using CompressedAttention attention = new(other);
        using Decoder decoder = new(_model, attention);
        Refused("Layers = 2", () => decoder.Read([1]));
        Assert.Equal(0, other.LayerLength(0));
    }

    [Fact]
    public void TokensBehindTheContextAreRefusedUnlessTheyAreWanted()
    {
        int[] tokens = new int[_model.Config.ContextLength - 1];
        _decoder.Read(tokens);
        Refused("2 tokens behind the 511", () => _decoder.Read([1, 2]));
        Assert.Equal(511, _cache.Length);
        _decoder.Read([1]);
        Refused("context of 512", () => _decoder.Forward([1], _logits));
        using Decoder beyond = new(_model, _attention, new DecoderOptions { BeyondContext = true });
        beyond.Read([1, 2]);
        Assert.Equal(514, _cache.Length);
        Refused("context of 512", () => _decoder.Read([1]));
    }

    private static KvCacheOptions Options(CacheGeometry geometry) => new() { Geometry = geometry, Policy = LayerPolicy.Uniform(geometry.Layers, s_exact, s_exact) };

    private static void Refused(string says, Action step) =>
        Assert.Contains(says, Assert.Throws<InvalidOperationException>(step).Message, StringComparison.Ordinal);
}
