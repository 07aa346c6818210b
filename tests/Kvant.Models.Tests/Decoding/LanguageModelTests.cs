using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

public sealed class LanguageModelTests
{
    [Fact]
    public void TheShippedModelHasTheSizesOfItsCard()
    {
        using LanguageModel model = LanguageModel.Open(Goldens.Model("mini.gguf"));
        Assert.Equal((4, 256, 4, 2, 64, 512, 1024), (
            model.Config.Layers, model.Config.Width, model.Config.QueryHeads, model.Config.KeyValueHeads, model.Config.HeadDimension, model.Config.FeedForward, model.VocabularySize));
        Assert.Equal(1024, model.Config.ContextLength);
    }

    [Fact]
    public void WhatTheDecoderCannotRunIsRefusedByName()
    {
        Refused("'gpt2'", [("general.architecture", "gpt2")]);
        Refused("'qwen2.attention.head_count' is missing", [("general.architecture", "qwen2")]);
        Refused("'llama.rope.scaling.type' holds 'longrope'", [("llama.rope.scaling.type", "longrope")]);
        Refused("'llama.expert_count' holds 8", [("llama.expert_count", 8u)]);
        Refused("'llama.attention.value_length' holds 6", [("llama.attention.value_length", 6u)]);
        Refused("'llama.attention.head_count_kv' holds 3 where a divisor", [("llama.attention.head_count_kv", 3u)]);
        Refused("'llama.attention.head_count' holds 0", [("llama.attention.head_count", 0u)]);
        Refused("'llama.rope.freq_base' holds 0", [("llama.rope.freq_base", 0f)]);
        Refused("'llama.attention.layer_norm_rms_epsilon' holds NaN", [("llama.attention.layer_norm_rms_epsilon", float.NaN)]);
        Refused("'blk.3.attn_norm.weight' is missing", [("llama.block_count", (uint)int.MaxValue)]);
        Refused("is no part of a model", [("llama.block_count", 2u)]);
        Refused("another shape", [("llama.feed_forward_length", 12u)]);
        Refused("is not what the model's sizes ask for", [], w => w.AddTensor("output_norm.weight", new float[8], 8), "output_norm.weight");
        Refused("is no part of a model", [], w => w.AddTensor("blk.0.attn_q_norm.weight", new float[4], 4));
        Refused("'output_norm.weight' is missing", [], null, "output_norm.weight");
        Refused("is not above 0", [], w => w.AddTensor("rope_freqs.weight", new float[2], 2), "rope_freqs.weight");
    }

    [Fact]
    public void ABrokenModelRunsOrIsRefused() =>
        new HostileBytes(Run, allocationAtMost: 1 << 20).Mutate(Small([], null), seed: 20260404, count: 500);

    private static void Run(string path)
    {
        using LanguageModel model = LanguageModel.Open(path);
        using Decoder decoder = new(model, new ExactAttention(model.Config, 2), new DecoderOptions { Batch = 2 });
        decoder.Forward([0, model.VocabularySize - 1], new float[model.VocabularySize]);
    }

    private static void Refused(string says, (string Key, object? Value)[] changes, Action<GgufWriter>? add = null, params string[] without)
    {
        using TemporaryFolder folder = new();
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Run(folder.Write("model", Small(changes, add, without))));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    /// <summary>A llama of a few kilobytes, with some of its metadata replaced and some tensors left out or added.</summary>
    private static byte[] Small((string Key, object? Value)[] changes, Action<GgufWriter>? add, params string[] without)
    {
        using TemporaryFolder folder = new();
        TinyModels.Create("llama", 1, width: 16, inner: 8).Save(folder.File("small"));
        using GgufFile file = GgufFile.Open(folder.File("small"));
        GgufWriter writer = GgufEdit.Copy(file, changes, tensor => !without.Contains(tensor.Name));
        add?.Invoke(writer);
        writer.Save(folder.File("changed"));
        return File.ReadAllBytes(folder.File("changed"));
    }
}
