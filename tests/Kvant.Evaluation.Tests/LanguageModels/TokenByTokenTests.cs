using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Tests.Support;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Evaluation.Tests.LanguageModels;

public sealed class TokenByTokenTests
{
    private const int Tokens = 300;

    // Two bits and a small window: what a token sees compressed matters as much as it can.
    [Theory]
    [InlineData("turboquant:bits=2")]
    [InlineData("kivi:bits=2")]
    [InlineData("q4_0")]
    [InlineData("fp16")]
    public void ChunkReadAtOnceIsReadAsADecoderWouldWriteIt(string codec)
    {
        using LanguageModel model = ShippedModels.Open();
        var tokenizer = Tokenizer.Read(model.File);
        int[] tokens = tokenizer.Encode(ShippedModels.Text[..4000])[..Tokens];
        // Of these codecs one has integer kernels.
        double inIntegers = codec == "turboquant:bits=2" ? Tolerances.SameLogitsInIntegers : Tolerances.SameLogits;
        foreach ((Arithmetic arithmetic, double tolerance) in ((Arithmetic, double)[])[(Arithmetic.Exact, Tolerances.SameLogits), (Arithmetic.Fast, inIntegers)])
        {
            float[] one = Logits(model, codec, tokens, batch: 1, tokenByToken: false, arithmetic);
            double worst = WorstDivergence(model, one, Logits(model, codec, tokens, batch: 64, tokenByToken: true, arithmetic));
            Assert.True(worst < tolerance, $"{codec}, {arithmetic}: a divergence of {worst}");
        }

        if (codec == "turboquant:bits=2")
        {
            // Read as a prompt, its own tokens exact, the same text would hide most of the loss.
            double prompt = WorstDivergence(model, Logits(model, codec, tokens, batch: 1, tokenByToken: false), Logits(model, codec, tokens, batch: 64, tokenByToken: false));
            Assert.True(prompt > 1e5 * Tolerances.SameLogits, $"only {prompt}");
        }
    }

    [Fact]
    public void CacheHoldsTheSameBytesHoweverTheTextWasRead()
    {
        using LanguageModel model = ShippedModels.Open();
        int[] tokens = Tokenizer.Read(model.File).Encode(ShippedModels.Text[..4000])[..Tokens];
        CacheStatistics[] statistics = [.. new[] { true, false }.Select(tokenByToken =>
        {
            using Reader reader = Open(model, "turboquant:bits=3", 64, tokenByToken);
            reader.Decoder.Forward(tokens, new float[model.VocabularySize]);
            return reader.Cache.Statistics;
        })];
        Assert.Equal(statistics[0], statistics[1]);
    }

    private static float[] Logits(LanguageModel model, string codec, int[] tokens, int batch, bool tokenByToken, Arithmetic arithmetic = Arithmetic.Fast)
    {
        using Reader reader = Open(model, codec, batch, tokenByToken, arithmetic);
        float[] logits = new float[tokens.Length * model.VocabularySize];
        reader.Decoder.ForwardEach(tokens, logits);
        return logits;
    }

    private static Reader Open(LanguageModel model, string codec, int batch, bool tokenByToken, Arithmetic arithmetic = Arithmetic.Fast)
    {
        var experiment = new ModelExperiment { Model = model, Text = "", Pairs = [], Sinks = 2, Window = 16 };
        return new Reader(model, experiment.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, CodecSpec.Parse(codec), CodecSpec.Parse(codec))), batch, threads: 1, tokenByToken, attention: new() { Arithmetic = arithmetic });
    }

    private static double WorstDivergence(LanguageModel model, float[] expected, float[] actual)
    {
        int vocabulary = model.VocabularySize;
        SoftmaxRow one = new(vocabulary), other = new(vocabulary);
        double worst = 0;
        for (int token = 0; token < Tokens; token++)
        {
            one.Set(expected.AsSpan(token * vocabulary, vocabulary), 1);
            other.Set(actual.AsSpan(token * vocabulary, vocabulary), 1);
            worst = Math.Max(worst, one.DivergenceOf(other));
        }

        return worst;
    }
}
