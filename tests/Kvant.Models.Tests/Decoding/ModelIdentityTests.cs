using System.Text.RegularExpressions;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>A cache of other weights or other positions is refused before a token is read.</summary>
public sealed class ModelIdentityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheIdentityIsThatOfWeightsAndPositions()
    {
        using LanguageModel model = Open([]), again = Open([("general.name", "other")]), scaled = Open([("llama.rope.scaling.factor", 4f)]), @base = Open([("llama.rope.freq_base", 5f)]), sizes = Open([("llama.attention.layer_norm_rms_epsilon", 1e-4f)]);
        Assert.Matches(new Regex("^sha256:[0-9a-f]{64}$"), model.Identity.Weights);
        Assert.Equal("rope of 16 as neighbors, base 10000, divisor 1, factors of the file", model.Identity.Positions);
        Assert.Equal(model.Identity, again.Identity);
        Assert.Equal((model.Identity.Weights, "rope of 16 as neighbors, base 10000, divisor 4, factors of the file"), (scaled.Identity.Weights, scaled.Identity.Positions));
        Assert.NotEqual(model.Identity.Positions, @base.Identity.Positions);
        Assert.NotEqual(model.Identity.Weights, sizes.Identity.Weights);
    }

    // Every byte counts, so that no edited row passes for the original.
    [Fact]
    public void OneChangedBitIsAnotherModel()
    {
        using LanguageModel model = Open([]);
        byte[] bytes = File.ReadAllBytes(model.File.Path);
        foreach (GgufTensor tensor in (GgufTensor[])[model.File.Tensor("token_embd.weight"), model.File.Tensor("blk.1.ffn_norm.weight")])
        {
            byte[] changed = [.. bytes];
            changed[tensor.Offset + (tensor.ByteLength / 2)] ^= 1;
            using LanguageModel other = LanguageModel.Open(_folder.Write("changed", changed));
            Assert.NotEqual(model.Identity, other.Identity);
        }
    }

    [Fact]
    public void ACacheOfAnotherModelIsRefused()
    {
        using LanguageModel model = Open([]);
        LayerPolicy policy = LayerPolicy.Uniform(TinyModels.Layers, CodecSpec.Parse("fp16"), CodecSpec.Parse("fp16"));
        KvCacheOptions options = model.CacheOptions(policy);
        Assert.Equal((model.CacheGeometry, model.Identity), (options.Geometry, options.Identity));
        Read(options);
        Read(options with { Identity = null });
        Read(options with { Identity = new CacheIdentity { Note = "mine" } });
        Refused("'x'; the model has 'rope", options with { Identity = model.Identity with { Positions = "x" } });
        Refused("of the weights x; the model's are sha256:", options with { Identity = new CacheIdentity { Weights = "x" } });

        void Read(KvCacheOptions o)
        {
            using KvCache cache = new(o);
            using CompressedAttention attention = new(cache);
            using Decoder decoder = new(model, attention);
            try
            {
                decoder.Read([1]);
            }
            catch
            {
                Assert.Equal(0, cache.LayerLength(0));
                throw;
            }
        }

        void Refused(string says, KvCacheOptions o) => Assert.Contains(says, Assert.Throws<InvalidOperationException>(() => Read(o)).Message, StringComparison.Ordinal);
    }

    private LanguageModel Open((string Key, object? Value)[] changes)
    {
        string plain = _folder.File("plain"), path = _folder.File($"model-{Guid.NewGuid():N}");
        TinyModels.Write(plain, "llama");
        using GgufFile file = GgufFile.Open(plain);
        GgufEdit.Copy(file, changes).Save(path);
        return LanguageModel.Open(path);
    }
}
