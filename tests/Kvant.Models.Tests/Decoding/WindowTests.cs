using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Models.Tests.Reference;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>Sliding windows of layers, which are part of the cache's shape. Logits of such models are compared with llama.cpp's in <see cref="DecoderTests"/>.</summary>
public sealed class WindowTests
{
    private static readonly int[] s_text = [.. Enumerable.Range(0, 1600).Select(i => (i * 37) % TinyModels.Vocabulary)];

    public static TheoryData<string> Windowed => [.. TinyModels.All.Keys.Where(n => HasWindows(n))];

    [Theory, MemberData(nameof(Windowed))]
    public void WindowedLayersForget(string name)
    {
        using LanguageModel model = Open(name);
        using KvCache cache = new(Options(model, CodecSpec.Parse("q8"), CodecSpec.Parse("q8")) with { Window = 0, Sinks = 0 });
        using CompressedAttention attention = new(cache);
        using Decoder decoder = new(model, attention, new DecoderOptions { BeyondContext = true });
        decoder.Read(s_text.AsSpan(0, 200));
        long[] half = [.. Enumerable.Range(0, model.Config.Layers).Select(layer => cache.LayerStatistics(layer).TotalBytes)];
        decoder.Read(s_text.AsSpan(200));
        Assert.Equal(s_text.Length, decoder.Position);
        for (int layer = 0; layer < half.Length; layer++)
        {
            bool windowed = model.CacheGeometry[layer].SlidingWindow > 0;
            Assert.Equal(windowed ? model.Config.SlidingWindow : s_text.Length, cache.LiveTokens(layer));
            // Pages of forgotten tokens are given back: there is one more at the most.
            double growth = (double)cache.LayerStatistics(layer).TotalBytes / half[layer];
            Assert.True(windowed ? growth <= 2 : growth > 4, $"layer {layer}: {growth} times");
        }
    }

    // The reference has no cache: windows are in its sums.
    [Theory, MemberData(nameof(Windowed))]
    public void LogitsBehindAWindowAreThoseOfDoublePrecision(string name)
    {
        using LanguageModel model = Open(name);
        int[] text = s_text[..(model.Config.SlidingWindow + 9)];
        double[] wanted = new ReferenceDecoder(model.File).Logits(text);
        foreach (int batch in (int[])[1, 4, text.Length])
        {
            using KvCache cache = new(Options(model, CodecSpec.Parse("fp32"), CodecSpec.Parse("fp32")));
            using CompressedAttention attention = new(cache);
            using Decoder decoder = new(model, attention, new DecoderOptions { Batch = batch });
            float[] found = new float[wanted.Length];
            decoder.Forward(text, found);
            double norm = Math.Sqrt(wanted.Sum(x => x * x)), error = Math.Sqrt(wanted.Zip(found, (a, b) => (a - b) * (a - b)).Sum());
            // Half precision of what a window holds is no part of this: fp32 keeps what came.
            Assert.InRange(error, 0, norm * Tolerances.Batch);
        }
    }

    [Fact]
    public void WithoutItsWindowAModelSaysSomethingElse()
    {
        int[] text = s_text[..24];
        using LanguageModel model = Open("phi3-window"), whole = Open("phi3-window", ("phi3.attention.sliding_window", 512u));
        float[] narrow = new float[model.VocabularySize], wide = new float[model.VocabularySize];
        foreach ((LanguageModel m, float[] logits) in (ReadOnlySpan<(LanguageModel, float[])>)[(model, narrow), (whole, wide)])
        {
            using Decoder decoder = new(m, new ExactAttention(m.Config, text.Length));
            decoder.Forward(text, logits);
        }
        Assert.True(TensorPrimitives.Distance<float>(narrow, wide) > 0.1 * TensorPrimitives.Norm<float>(wide));
    }

    [Fact]
    public void AContextWithinTheWindowNeedsNone()
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("model"), "phi3-window");
        using LanguageModel model = LanguageModel.Open(folder.File("model"), context: 11);
        Assert.True(model.CacheGeometry.IsUniform);
        using Decoder decoder = new(model, new ExactAttention(model.Config, 12), new DecoderOptions { BeyondContext = true });
        decoder.Read(s_text.AsSpan(0, 11));
        Assert.Contains("sliding window", Assert.Throws<InvalidOperationException>(() => decoder.Read([1])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void KeysOfWindowsThatAFamilyLacksAreRefused()
    {
        foreach ((string key, object value, string says) in (ReadOnlySpan<(string, object, string)>)
        [
            ("attention.sliding_window_pattern", 2u, "holds 2, and the decoder does not know"), ("attention.key_length_swa", 8u, "holds 8 where 16"), ("attention.value_length_swa", 8u, "holds 8 where 16"),
            ("rope.dimension_count_swa", 8u, "holds 8 where 16"), ("rope.freq_base_swa", 5f, "holds 5 where 1000000"),
        ])
        {
            string message = Assert.Throws<InvalidDataException>(() => Open("phi3-window", ("phi3." + key, value)).Dispose()).Message;
            Assert.Contains($"'phi3.{key}' {says}", message, StringComparison.Ordinal);
            // Where no layer has a window they change nothing.
            using LanguageModel model = Open("phi3", ("phi3." + key, value));
            Assert.True(model.CacheGeometry.IsUniform);
        }
        Assert.Contains("nobody knows which layers", Assert.Throws<InvalidDataException>(() => Open("llama", ("llama.attention.sliding_window", 8u)).Dispose()).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Windowed))]
    public void ATraceOfLayersThatDifferIsRefusedBeforeAnythingIsRead(string name)
    {
        using TemporaryFolder folder = new();
        using LanguageModel model = Open(name);
        ArgumentException error = Assert.Throws<ArgumentException>(() => TraceRecorder.Record(model, [1, 2], folder.File("trace"), progress: _ => Assert.Fail("it was read")));
        Assert.Contains("those of a trace are alike", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("trace")));
    }

    private static bool HasWindows(string name)
    {
        using LanguageModel model = Open(name);
        return !model.CacheGeometry.IsUniform;
    }

    private static KvCacheOptions Options(LanguageModel model, CodecSpec keys, CodecSpec values) => model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, keys, values));

    private static LanguageModel Open(string name, params (string Key, object? Value)[] changes)
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("plain"), name);
        using GgufFile file = GgufFile.Open(folder.File("plain"));
        GgufEdit.Copy(file, changes).Save(folder.File("changed"));
        return LanguageModel.Open(folder.File("changed"));
    }
}
