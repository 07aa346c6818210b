using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Models.Tests.Reference;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>What only gemma3 has. Its logits are compared with llama.cpp's in <see cref="DecoderTests"/>, its windows in <see cref="WindowTests"/>.</summary>
public sealed class GemmaTests
{
    [Fact]
    public void FiveLayersOfSixHaveAWindowAndTurnInTheirOwnWay()
    {
        using LanguageModel model = Open("gemma3");
        Assert.Equal([11, 11, 11, 11, 11, 0, 11], Enumerable.Range(0, 7).Select(layer => model.CacheGeometry[layer].SlidingWindow));
        Assert.Equal([1e4, 1e4, 1e4, 1e4, 1e4, 1e6, 1e4], Enumerable.Range(0, 7).Select(layer => model.CacheGeometry[layer].Rotary!.Base));
        Assert.Equal("rope of 256 as halves, base 1000000, divisor 1; in windowed layers, of period 6, rope of 256 as halves, base 10000, divisor 1", model.Identity.Positions);
        using LanguageModel period = Open("gemma3-period"), full = Open("gemma3-full", ("rope.freq_base_swa", 5f), ("attention.sliding_window_pattern", 2u));
        Assert.Equal("rope of 32 as halves, base 1000000, divisor 8; in windowed layers, of period 3, rope of 32 as halves, base 5000, divisor 1", period.Identity.Positions);
        Assert.True(full.CacheGeometry.IsUniform);
        Assert.Equal("rope of 32 as halves, base 1000000, divisor 1", full.Identity.Positions);
    }

    // A context that ends before the window takes masks away, not the wavelengths that the layers were trained with.
    [Fact]
    public void AShortContextChangesNothingButTheMasks()
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("model"), "gemma3");
        using LanguageModel @long = LanguageModel.Open(folder.File("model")), @short = LanguageModel.Open(folder.File("model"), context: 8);
        Assert.Equal(@long.Identity, @short.Identity);
        Assert.All(Enumerable.Range(0, 7), layer => Assert.Equal(0, @short.CacheGeometry[layer].SlidingWindow));
        float[] wanted = new float[@long.VocabularySize], found = new float[wanted.Length];
        using Decoder first = new(@long, new ExactAttention(@long.Config, 8)), second = new(@short, new ExactAttention(@short.Config, 8));
        first.Forward([1, 2, 3, 4, 5, 6, 7, 8], wanted);
        second.Forward([1, 2, 3, 4, 5, 6, 7, 8], found);
        Assert.Equal(wanted, found);
    }

    [Fact]
    public void TheLargestModelDividesScoresByTheRootOfItsWidth()
    {
        using TemporaryFolder folder = new();
        TinyModels.Create("gemma3-27b", 3, width: 16, inner: 8).Save(folder.File("model"));
        using LanguageModel model = LanguageModel.Open(folder.File("model"));
        Assert.Equal(Math.Sqrt(8) / Math.Sqrt(4), model.Config.QueryFactor, 1e-6);
        int[] text = [5, 6, 7, 8, 9, 10, 11];
        double[] wanted = new ReferenceDecoder(model.File).Logits(text);
        float[] found = new float[wanted.Length];
        using Decoder decoder = new(model, new ExactAttention(model.Config, text.Length));
        decoder.Forward(text, found);
        double norm = Math.Sqrt(wanted.Sum(x => x * x)), error = Math.Sqrt(wanted.Zip(found, (a, b) => (a - b) * (a - b)).Sum());
        Assert.InRange(error, 0, norm * Tolerances.Batch);
    }

    [Fact]
    public void WhatADecoderLacksIsRefusedByName()
    {
        Refused("attn_logit_softcapping' holds 50 where 0", ("attn_logit_softcapping", 50f));
        Refused("final_logit_softcapping' holds -1 where a number above 0", ("final_logit_softcapping", -1f));
        Refused("attention.scale' holds 0.5 where 0 or 0.0625", ("attention.scale", 0.5f));
        Refused("rope.scaling.type' holds 'yarn' where one of 'none', 'linear'", ("rope.scaling.type", "yarn"));
        Refused("sliding_window_pattern' holds an array of Int32 where a whole number", ("attention.sliding_window_pattern", (int[])[1, 1, 0, 1, 1, 0, 1]));
        Refused("freq_base_swa' holds 0 where a number above 0", ("rope.freq_base_swa", 0f));
        Refused("key_length_swa' holds 128 where 256", ("attention.key_length_swa", 128u));
        foreach (string tensor in (string[])["blk.0.post_attention_norm.weight", "blk.6.post_ffw_norm.weight", "blk.5.attn_k_norm.weight"])
        {
            string message = Assert.Throws<InvalidDataException>(() => Open("gemma3", tensor).Dispose()).Message;
            Assert.Contains($"'{tensor}' is missing", message, StringComparison.Ordinal);
        }
    }

    private static void Refused(string says, (string Key, object? Value) change) =>
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => Open("gemma3", change).Dispose()).Message, StringComparison.Ordinal);

    private static LanguageModel Open(string name, params (string Key, object? Value)[] changes) => Open(name, null, changes);

    private static LanguageModel Open(string name, string? without, params (string Key, object? Value)[] changes)
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("plain"), name);
        using GgufFile file = GgufFile.Open(folder.File("plain"));
        GgufEdit.Copy(file, [.. changes.Select(c => ($"gemma3.{c.Key}", c.Value))], tensor => tensor.Name != without).Save(folder.File("changed"));
        return LanguageModel.Open(folder.File("changed"));
    }
}
