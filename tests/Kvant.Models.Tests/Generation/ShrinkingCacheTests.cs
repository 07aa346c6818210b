using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Tests.Generation;

/// <summary>A model reads on in less memory than its tokens need: the cache codes old ones again, and loses no more than one that had few bits from the start.</summary>
public sealed class ShrinkingCacheTests : IDisposable
{
    private const int Counted = 400;

    private readonly LanguageModel _model = LanguageModel.Open(Goldens.Model("mini.gguf"));

    public void Dispose() => _model.Dispose();

    // A third of what 16-bit floats take, and two fifths where there are few tokens: two pages of 128 of each step are kept free. The model that ships has not learned to read 3,060 tokens; what a cache does to what it says is still to be seen.
    [Theory]
    [InlineData("fp16", "tiny", 1020, 5 / 2.0)]
    [InlineData("q8", "tiny", 1020, 5 / 2.0)]
    [InlineData("q8", "tiny", 3060, 3)]
    public void LessMemoryLosesNoMoreThanFewBitsFromTheStart(string policy, string floor, int count, double smaller)
    {
        Tokenizer tokenizer = Tokenizer.Read(_model.File);
        int[] tokens = [.. tokenizer.Encode(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt"))).Take(count)];
        KvCacheOptions needs = Options(policy), few = Options(floor);
        KvCacheOptions limited = needs with { MemoryLimit = (long)(CachePlan.For(Options("fp16"), count).TotalBytes / smaller), Floor = few.Policy };

        double[][] exact = Read(tokenizer, tokens, Options("fp32"), null);
        double shrunk = Divergence(exact, Read(tokenizer, tokens, limited, limited.MemoryLimit)), small = Divergence(exact, Read(tokenizer, tokens, few, null));
        double free = Divergence(exact, Read(tokenizer, tokens, needs, null));
        // What is coded a second time adds up to a tenth to what its few bits lose.
        Assert.True(free < shrunk && shrunk < 1.1 * small, $"With all the memory {free:g3}, with less {shrunk:g3}, with few bits from the start {small:g3}.");
    }

    private KvCacheOptions Options(string policy) => _model.CacheOptions(CachePreset.Find(policy)?.ForLayers(_model.Config.Layers) ?? LayerPolicy.Uniform(_model.Config.Layers, CodecSpec.Parse(policy), CodecSpec.Parse(policy))) with
    { Window = 16, Sinks = 4 };

    // Logarithms of the probabilities behind each of the last tokens, which come one by one.
    private double[][] Read(Tokenizer tokenizer, int[] tokens, KvCacheOptions options, long? limit)
    {
        using KvCache cache = new(options);
        using CompressedAttention attention = new(cache);
        using TextGenerator generator = new(_model, tokenizer, attention, new DecoderOptions { BeyondContext = true });
        double[][] read = [.. tokens.Select((token, at) =>
        {
            generator.Read([token]);
            Assert.True(limit is null || cache.Statistics.TotalBytes <= limit, $"{cache.Statistics.TotalBytes} bytes");
            if (at < tokens.Length - Counted)
                return [];
            double[] logits = [.. generator.Logits.ToArray().Select(x => (double)x)];
            double most = logits.Max(), sum = most + Math.Log(logits.Sum(x => Math.Exp(x - most)));
            return logits.Select(x => x - sum).ToArray();
        })];
        if (limit is not null)
            Assert.InRange(cache.Statistics.RecodedRows, 1, cache.Statistics.LiveRows - 1);
        return read[^Counted..];
    }

    private static double Divergence(double[][] exact, double[][] other) => exact.Zip(other, (p, q) => p.Zip(q, (a, b) => Math.Exp(a) * (a - b)).Sum()).Average();
}
