using Kvant.Caching;
using OnnxBars;

namespace Kvant.OnnxRuntime.Tests;

public sealed class CompressedPastTests
{
    /// <summary>Kinds of graphs, with the floats of all layers and with those of one at a time.</summary>
    public static TheoryData<string, bool> Ways => [.. from kind in Mini.Kinds.Keys from layers in (bool[])[false, true] select (kind, layers)];

    [Theory]
    [MemberData(nameof(Ways))]
    public void FloatsGiveTheLogitsOfThePlainSession(string kind, bool layers)
    {
        using CompressedPast decoder = Open(kind, layers);
        using KvCache cache = Mini.Exact(decoder);
        using var plain = new PlainSession(Mini.Export(kind), Mini.SingleSession);
        Assert.InRange(Mini.Compare(decoder, cache, plain), 0, 1e-5f);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void HalvesGiveTheLogitsOfThePlainSessionWithHalves(string kind, bool layers)
    {
        using CompressedPast decoder = Open(kind, layers);
        using KvCache cache = Mini.Cache(decoder, "fp16");
        using var plain = new PlainSession(Mini.Export(kind), Mini.SingleSession);
        Assert.InRange(Mini.Compare(decoder, cache, plain, rounded: true), 0, 1e-5f);
    }

    /// <summary>Which branch runs follows from whether there is a past.</summary>
    [Fact]
    public void MergedDecodersAnswerAsThoseWithAPastAlone()
    {
        string path = Mini.Export(Mini.Merged);
        using CompressedPast decoder = CompressedPast.Open(path, Mini.Single);
        using KvCache cache = Mini.Exact(decoder), again = Mini.Exact(decoder);
        using PlainSession plain = new(path, Mini.SingleSession), alone = new(Mini.Export("plain"), Mini.SingleSession);
        Assert.InRange(Mini.Compare(decoder, cache, plain), 0, 1e-5f);
        Assert.InRange(Mini.Compare(decoder, again, alone), 0, 1e-5f);
        Assert.InRange(Mini.CompareBatch(decoder, path), 0, 1e-4f);
        Assert.False(decoder.IsLayerByLayer);
        Assert.Contains("not merged with the one without", Assert.Throws<NotSupportedException>(() => CutDecoder.Open(path, Mini.Single)).Message, StringComparison.Ordinal);
    }

    /// <summary>Floats that were kept and written over where tokens changed are those that decoding everything gives.</summary>
    [Theory]
    [InlineData("plain", "quality")]
    [InlineData("plain-half", "balanced")]
    [InlineData("plain", "tiny")]
    [InlineData("plain", "quality; 128: balanced")]
    [InlineData("group", "balanced")]
    [InlineData("group-half", "small")]
    public void KeptFloatsAreWhatTheCacheDecodes(string kind, string policy)
    {
        using CompressedPast kept = Open(kind, layers: false), anew = Open(kind, layers: false), layers = Open(kind, layers: true);
        using KvCache cache = Mini.Cache(kept, policy);
        float[] one = new float[kept.VocabularySize], other = new float[kept.VocabularySize], third = new float[kept.VocabularySize];
        kept.Forward(cache, Mini.Tokens.AsSpan(0, 230), one);
        for (int done = 230; done < 370; done++)
        {
            using KvCache? fork = done % 23 == 0 ? cache.Fork() : null, second = fork?.Fork();
            kept.Forward(cache, Mini.Tokens.AsSpan(done, 1), one);
            if (fork is null)
                continue;
            anew.Forward(fork, Mini.Tokens.AsSpan(done, 1), other);
            layers.Forward(second!, Mini.Tokens.AsSpan(done, 1), third);
            Assert.Equal(other, one);
            Assert.Equal(other, third);
        }
    }

    [Fact]
    public void TokensThatACallCodedAgainAreDecodedAgain()
    {
        using CompressedPast kept = Open("plain", layers: false), anew = Open("plain", layers: true);
        using KvCache cache = Mini.Cache(kept, "quality");
        float[] one = new float[kept.VocabularySize], other = new float[kept.VocabularySize];
        kept.Forward(cache, Mini.Tokens.AsSpan(0, 300), one);
        int done = 300;
        foreach (string codecs in (string[])["small", "tiny"])
        {
            // As many tokens each time.
            cache.Recode(LayerPolicy.Uniform(kept.Geometry.Layers, LayerSpecs.FromText(codecs)), 200);
            using KvCache fork = cache.Fork();
            kept.Forward(cache, Mini.Tokens.AsSpan(done, 1), one);
            anew.Forward(fork, Mini.Tokens.AsSpan(done++, 1), other);
            Assert.Equal(other, one);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void SequencesOfOneRunAreAsAlone(string kind, bool layers)
    {
        using CompressedPast decoder = Open(kind, layers);
        Assert.InRange(Mini.CompareBatch(decoder, Mini.Export(kind)), 0, Mini.IsHalf(kind) ? .05f : Mini.Kinds[kind].HalfPast ? 1e-2f : 1e-4f);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SequencesTakeTurnsAndAreCut(bool layers)
    {
        using CompressedPast decoder = Open("plain", layers), other = Open("plain", layers);
        using KvCache first = Mini.Exact(decoder), second = Mini.Exact(decoder), expected = Mini.Exact(decoder);
        float[] found = new float[decoder.VocabularySize], wanted = new float[decoder.VocabularySize];
        decoder.Forward(first, Mini.Tokens.AsSpan(0, 30), []);
        decoder.Forward(second, Mini.Tokens.AsSpan(500, 40), []);
        decoder.Forward(first, Mini.Tokens.AsSpan(700, 5), []);
        first.Truncate(30);
        decoder.Forward(first, Mini.Tokens.AsSpan(30, 1), found);
        other.Forward(expected, Mini.Tokens.AsSpan(0, 31), wanted);
        Assert.InRange(Mini.Difference(wanted, found), 0, 1e-4f);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void CacheThatForgotIsRefused(bool layers)
    {
        using CompressedPast decoder = Open("plain", layers);
        using KvCache cache = Mini.Cache(decoder, "fp16");
        decoder.Forward(cache, Mini.Tokens.AsSpan(0, 30), []);
        cache.Evict(10);
        var refused = Assert.Throws<ArgumentException>(() => decoder.Forward(cache, Mini.Tokens.AsSpan(30, 1), []));
        Assert.Contains("forgotten 6 tokens", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WrongCallsSayWhatIsWrong(bool layers)
    {
        using CompressedPast decoder = Open("plain", layers);
        using KvCache cache = Mini.Exact(decoder), alien = new(KvCacheOptions.Preset("balanced", decoder.Geometry with { Layers = 1 }));
        float[] logits = new float[decoder.VocabularySize];
        Assert.Contains("no token", Assert.Throws<ArgumentException>(() => decoder.Forward(cache, [], logits)).Message, StringComparison.Ordinal);
        Assert.Contains("A token is 1024", Assert.Throws<ArgumentOutOfRangeException>(() => decoder.Forward(cache, [1024], logits)).Message, StringComparison.Ordinal);
        Assert.Contains("room for 3 logits", Assert.Throws<ArgumentException>(() => decoder.Forward(cache, [1], logits.AsSpan(0, 3))).Message, StringComparison.Ordinal);
        Assert.Contains("The cache is of", Assert.Throws<ArgumentException>(() => decoder.Forward(alien, [1], logits)).Message, StringComparison.Ordinal);
        Assert.Contains("needs its own", Assert.Throws<ArgumentException>(() => decoder.Forward([cache, cache], [1, 2], new float[2 * logits.Length])).Message, StringComparison.Ordinal);
        Assert.Equal(0, cache.Length);
    }

    private static CompressedPast Open(string kind, bool layers) => CompressedPast.Open(Mini.Export(kind), Mini.Single, layers);
}
