using Kvant.Caching;
using Kvant.OnnxRuntime.Cutting;
using Kvant.OnnxRuntime.Graphs;
using Kvant.Tests.Formats;
using OnnxBars;

namespace Kvant.OnnxRuntime.Tests;

public sealed class CutDecoderTests
{
    public static TheoryData<string> Kinds => [.. Mini.Kinds.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void CutModelGivesTheLogitsOfThePlainSession(string kind)
    {
        using CutDecoder decoder = CutDecoder.Open(Mini.Export(kind), Mini.Single);
        using KvCache cache = Mini.Exact(decoder);
        using var plain = new PlainSession(Mini.Export(kind), Mini.SingleSession);
        // A graph that rounds its past does not agree with one that does not.
        Assert.InRange(Mini.Compare(decoder, cache, plain), 0, Mini.IsHalf(kind) ? .1f : Mini.Kinds[kind].HalfPast ? 1e-2f : 1e-4f);
    }

    /// <summary>A session whose past is in halves and a cache whose rows are halves hold the same numbers: they stand no farther apart than two plain sessions that add in another order.</summary>
    [Fact]
    public void HalvesGiveTheLogitsOfAPlainSessionWithHalves()
    {
        string path = Mini.Export("plain-half-past");
        using CutDecoder decoder = CutDecoder.Open(path, Mini.Single);
        using KvCache cache = Mini.Cache(decoder, "fp16");
        using PlainSession plain = new(path, Mini.SingleSession), other = new(Mini.Export("group-half-past"), Mini.SingleSession);
        float[] found = new float[decoder.VocabularySize];
        List<float> differences = [], floor = [];
        for (int i = 0; i < 300; i++)
        {
            decoder.Forward(cache, Mini.Tokens.AsSpan(i, 1), found);
            float[] wanted = plain.Forward(Mini.Tokens[i])[^1];
            differences.Add(Mini.Difference(wanted, found));
            floor.Add(Mini.Difference(wanted, other.Forward(Mini.Tokens[i])[^1]));
        }

        // Sums are added in another order, so that now and then a number falls on the other side of the border between two halves: then logits differ by as much as where past and rows are rounded apart.
        Assert.InRange(differences.Order().ElementAt(150), 0, 1e-4f);
        Assert.InRange(differences.Max(), 0, 2e-3f);
        foreach (int rank in (int[])[150, 270])
            Assert.InRange(differences.Order().ElementAt(rank) / floor.Order().ElementAt(rank), 0, 2);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("group-packed-data")]
    public void SequencesOfOneRunAreAsAlone(string kind)
    {
        using CutDecoder decoder = CutDecoder.Open(Mini.Export(kind), Mini.Single);
        Assert.InRange(Mini.CompareBatch(decoder, Mini.Export(kind)), 0, 1e-4f);
    }

    [Theory]
    [InlineData("plain", true)]
    [InlineData("plain", false)]
    [InlineData("group", true)]
    [InlineData("group", false)]
    public void GreedyTextWithQualityIsThatOfThePlainSession(string kind, bool cut)
    {
        using OnnxDecoder decoder = cut ? CutDecoder.Open(Mini.Export(kind), Mini.Single) : CompressedPast.Open(Mini.Export(kind), Mini.Single);
        using KvCache cache = Mini.Cache(decoder, "quality");
        using var plain = new PlainSession(Mini.Export(kind), Mini.SingleSession);
        float[] logits = new float[decoder.VocabularySize];
        decoder.Forward(cache, Mini.Tokens.AsSpan(0, 400), logits);
        int found = Mini.Best(logits), wanted = Mini.Best(plain.Forward(Mini.Tokens.AsSpan(0, 400))[^1]);
        for (int i = 0; i < 200; i++)
        {
            Assert.Equal(wanted, found);
            decoder.Forward(cache, [found], logits);
            (found, wanted) = (Mini.Best(logits), Mini.Best(plain.Forward(wanted)[^1]));
        }

        // Of so few tokens the window and pages that are not full are much.
        Assert.InRange(cache.Statistics.CompressionRatio, 1.2, 3);
    }

    [Theory]
    [InlineData("plain", "behind 10000 tokens, token 0 of 1")]
    [InlineData("group", "sees 500 tokens alone")]
    public void WindowIsRefusedHoweverItIsWritten(string kind, string reason)
    {
        string path = Mini.Export(Mini.Kinds[kind] with { Window = 500 });
        var refused = Assert.Throws<NotSupportedException>(() => CutDecoder.Open(path, Mini.Single, check: false));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("smooth_softmax", 1, "smooth_softmax")]
    [InlineData("something", 1, "'something' is not known")]
    [InlineData("kv_num_heads", 3, "4 heads on 3")]
    [InlineData("num_heads", 0, "0 heads on 2")]
    public void AttentionOfAnotherKindIsRefused(string attribute, int number, string reason)
    {
        using var folder = new TemporaryFolder();
        string path = Changed(folder, node => node with { Attributes = [.. node.Attributes.Where(a => a.Name != attribute), OnnxAttribute.Of(attribute, (long)number)] });
        Assert.Contains(reason, Assert.Throws<NotSupportedException>(() => CutDecoder.Open(path, Mini.Single, check: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LayersThatGiveTheSameValueAreRefused()
    {
        OnnxModel model = OnnxModel.Open(Mini.Export("group"));
        OnnxModel changed = model.With([.. model.Nodes.Select(node => node.Operation == "GroupQueryAttention" ? node with { Outputs = ["same", .. node.Outputs.Skip(1)] } : node)], model.Inputs, model.Outputs);
        Assert.Contains("another layer's", Assert.Throws<NotSupportedException>(() => CutGraph.Of(changed, CutFinder.Find(changed))).Message, StringComparison.Ordinal);
    }

    /// <summary>What a graph says of its heads is compared with what comes: memory behind a tensor is nobody's.</summary>
    [Fact]
    public void HeadsThatAreOnlyClaimedAreNotRead()
    {
        using var folder = new TemporaryFolder();
        string path = Changed(folder, node => node with { Attributes = [.. node.Attributes.Where(a => a.Name != "num_heads"), OnnxAttribute.Of("num_heads", 4096L)] });
        using CutDecoder decoder = CutDecoder.Open(path, Mini.Single, check: false);
        using KvCache cache = Mini.Exact(decoder);
        var refused = Assert.Throws<InvalidOperationException>(() => decoder.Forward(cache, Mini.Tokens.AsSpan(0, 30), new float[decoder.VocabularySize]));
        Assert.Contains("numbers", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, cache.Length);
    }

    [Fact]
    public void ScaleAndSoftLimitAreTheGraphs()
    {
        using var folder = new TemporaryFolder();
        string path = Changed(folder, node => node with { Attributes = [.. node.Attributes, OnnxAttribute.Of("scale", .2f), OnnxAttribute.Of("softcap", 3f)] });
        using CutDecoder decoder = CutDecoder.Open(path, Mini.Single);
        using KvCache cache = Mini.Exact(decoder);
        using PlainSession plain = new(path, Mini.SingleSession), other = new(Mini.Export("group"), Mini.SingleSession);
        float[] found = new float[decoder.VocabularySize];
        decoder.Forward(cache, Mini.Tokens.AsSpan(0, 100), found);
        Assert.InRange(Mini.Difference(plain.Forward(Mini.Tokens.AsSpan(0, 100))[^1], found), 0, 1e-3f);
        Assert.InRange(Mini.Difference(other.Forward(Mini.Tokens.AsSpan(0, 100))[^1], found), .1f, 100);
    }

    [Fact]
    public void CheckFindsAModelThatAnswersOtherwise()
    {
        using var folder = new TemporaryFolder();
        string other = Changed(folder, node => node with { Attributes = [.. node.Attributes, OnnxAttribute.Of("scale", .1f)] });
        using CutDecoder decoder = CutDecoder.Open(Mini.Export("group"), Mini.Single);
        Assert.Contains("cut at its attention", Assert.Throws<InvalidDataException>(() => CutCheck.Run(decoder, other)).Message, StringComparison.Ordinal);
    }

    /// <summary>What fails in the middle of a run comes out as it was thrown, and nothing is half done.</summary>
    [Theory]
    [InlineData("group", null)]
    [InlineData("group", false)]
    [InlineData("group", true)]
    [InlineData("plain", true)]
    public void FullPoolLeavesTheCacheAsItWas(string kind, bool? layers)
    {
        using OnnxDecoder decoder = layers is null ? CutDecoder.Open(Mini.Export(kind), Mini.Single, check: false) : CompressedPast.Open(Mini.Export(kind), Mini.Single, layers);
        using var probe = new KvCache(decoder.CacheOptions() with { Window = 64, Sinks = 4 });
        long bytes = probe.BytesToAppend(300);
        using var pool = new PagePool(bytes - (bytes / 8));
        using var cache = new KvCache(decoder.CacheOptions() with { Window = 64, Sinks = 4, Pool = pool });
        float[] before = new float[decoder.VocabularySize], after = new float[decoder.VocabularySize];
        decoder.Forward(cache, Mini.Tokens.AsSpan(0, 40), before);
        cache.Truncate(39);
        Assert.Throws<CacheFullException>(() => decoder.Forward(cache, Mini.Tokens.AsSpan(0, 1000), before));
        Assert.True(cache.Length % 256 == 39 % 256, $"{cache.Length} tokens are left.");
        cache.Truncate(39);
        decoder.Forward(cache, Mini.Tokens.AsSpan(39, 1), after);
        Assert.True(after.All(float.IsFinite));
        for (int layer = 0; layer < decoder.Geometry.Layers; layer++)
            Assert.Equal(40, cache.LayerLength(layer));
    }

    private static string Changed(TemporaryFolder folder, Func<OnnxNode, OnnxNode> change)
    {
        OnnxModel model = OnnxModel.Open(Mini.Export("group"));
        string path = folder.File("changed.onnx");
        OnnxModel changed = model.With([.. model.Nodes.Select(node => node.Operation == "GroupQueryAttention" ? change(node) : node)], model.Inputs, model.Outputs);
        File.WriteAllBytes(path, OnnxModel.Read(File.ReadAllBytes(Mini.Export("group"))).With(changed.Nodes, model.Inputs, model.Outputs).Write());
        return path;
    }
}
