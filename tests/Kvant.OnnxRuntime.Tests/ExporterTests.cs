using Kvant.Caching;
using Kvant.Models.Decoding;
using OnnxBars;

namespace Kvant.OnnxRuntime.Tests;

/// <summary>What is exported is the model: everything else is compared with it.</summary>
public sealed class ExporterTests
{
    public static TheoryData<string> Kinds => [.. Mini.Kinds.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void ExportedModelAnswersAsTheDecoderOfItsFile(string kind)
    {
        using LanguageModel model = LanguageModel.Open(Mini.Gguf);
        using var cache = new KvCache(model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, LayerSpecs.Parse("fp32"))) with { WindowCodec = Codecs.CodecSpec.Parse("fp32") });
        using var attention = new CompressedAttention(cache, new() { Arithmetic = Codecs.Arithmetic.Exact });
        using var decoder = new Decoder(model, attention, new() { Arithmetic = Codecs.Arithmetic.Exact });
        using var session = new PlainSession(Mini.Export(kind), Mini.SingleSession);
        int[] tokens = Mini.Tokens[..60];
        float[] wanted = new float[tokens.Length * model.VocabularySize];
        decoder.ForwardEach(tokens, wanted);
        float[][] found = [.. session.Forward(tokens.AsSpan(0, 40)), .. tokens.Skip(40).SelectMany(token => session.Forward(token))];
        float difference = Mini.Difference(wanted, [.. found.SelectMany(row => row)]);
        // Sums in another order; in half precision every number has 11 bits.
        Assert.InRange(difference, 0, Mini.IsHalf(kind) ? .2f : Mini.Kinds[kind].HalfPast ? 1e-2f : 2e-4f);
    }
}
