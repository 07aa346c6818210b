using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Tests.RealModels;

/// <summary>A real model, where it is at hand: its file opens, its text is cut and put together, and what it writes goes on behind a fork and a thaw.</summary>
public sealed class SmolLm2Tests
{
    [Fact]
    public void ItsFileOpensAndItsTextComesBack()
    {
        using LanguageModel model = LanguageModel.Open(RealModel.Find(RealModel.SmolLm2));
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        Assert.Equal((30, 9, 3, 64, 8192, 49_152), (model.Config.Layers, model.Config.QueryHeads, model.Config.KeyValueHeads, model.Config.HeadDimension, model.Config.ContextLength, tokenizer.Count));
        string text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt"))[..5000];
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.True(tokenizer.IsEnd(tokenizer.Find("<|im_end|>")!.Value));
        Assert.True(tokenizer.IsEnd(tokenizer.Find("<|endoftext|>")!.Value));
        const string chat = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        Assert.Equal(tokenizer.Encode(chat, addBegin: false, parseSpecial: true), ChatTemplate.Find(model.File)!.Encode(tokenizer, [new("user", "Hi")]));
    }

    [Fact]
    public void ItGoesOnBehindAForkAndAThawAsIfNothingHadHappened()
    {
        const int first = 8, tokens = 20;
        using LanguageModel model = LanguageModel.Open(RealModel.Find(RealModel.SmolLm2));
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        CodecSpec codec = CodecSpec.Parse("turboquant:bits=4");
        KvCacheOptions options = model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, codec, codec)) with { Window = 8, Sinks = 2 };
        using KvCache cache = new(options);
        using CompressedAttention attention = new(cache);
        using TextGenerator generator = new(model, tokenizer, attention);
        generator.Read(tokenizer.Encode("Paris is in France, and Rome is in"));
        IReadOnlyList<int> beginning = generator.Write(first).Tokens;
        Assert.StartsWith(" Italy", tokenizer.Decode([.. beginning]), StringComparison.Ordinal);
        using KvCache fork = cache.Fork(), thawed = KvCache.Thaw(cache.Freeze());
        float[] logits = generator.Logits.ToArray();
        IReadOnlyList<int> straight = generator.Write(tokens - first).Tokens;
        foreach (KvCache other in (KvCache[])[fork, thawed])
        {
            using CompressedAttention otherAttention = new(other);
            using TextGenerator otherGenerator = new(model, tokenizer, otherAttention);
            otherGenerator.Resume(logits);
            Assert.Equal(straight, otherGenerator.Write(tokens - first).Tokens);
        }
    }

    // Three query heads share a head of keys here, as in none of the models that ship.
    [Theory]
    [InlineData("balanced", 0.005)]
    [InlineData("tiny", 0.05)]
    public void ItPredictsTheSameBehindACompressedCache(string preset, double most)
    {
        using LanguageModel model = LanguageModel.Open(RealModel.Find(RealModel.SmolLm2));
        int[] tokens = [.. Tokenizer.Read(model.File).Encode(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt"))[..2000]).Take(320)];
        CodecSpec plain = CodecSpec.Parse("fp32");
        double[][] exact = Predict(model, tokens, model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, plain, plain)));
        double[][] compressed = Predict(model, tokens, KvCacheOptions.Preset(preset, model.CacheGeometry) with { Window = 16 });
        double divergence = exact.Zip(compressed, (p, q) => p.Zip(q, (a, b) => Math.Exp(a) * (a - b)).Sum()).Average();
        Assert.InRange(divergence, 1e-7, most);
    }

    // Logarithms of the probabilities behind each of the last 32 tokens, which come one by one.
    private static double[][] Predict(LanguageModel model, int[] tokens, KvCacheOptions options)
    {
        using KvCache cache = new(options);
        using CompressedAttention attention = new(cache);
        using TextGenerator generator = new(model, Tokenizer.Read(model.File), attention);
        generator.Read(tokens.AsSpan(..^32));
        return [.. tokens[^32..].Select(token =>
        {
            generator.Read([token]);
            double[] logits = [.. generator.Logits.ToArray().Select(x => (double)x)];
            double most = logits.Max(), sum = most + Math.Log(logits.Sum(x => Math.Exp(x - most)));
            return logits.Select(x => x - sum).ToArray();
        })];
    }
}
