using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>Metadata that would change what a model answers is done or refused by name, never ignored.</summary>
public sealed class MetadataRulesTests
{
    private static (string Key, object Value, string Says)[] Changing =>
    [
        ("llama.attention.sliding_window", 8u, "holds 8 where"),
        ("llama.attention.causal", false, "holds no where 1"),
        ("llama.attention.scale", 0.3f, "holds 0.3"),
        ("llama.attention.clamp_kqv", 8f, "holds 8 where 0"),
        ("llama.attention.max_alibi_bias", 8f, "holds 8"),
        ("llama.attention.temperature_scale", 0.1f, "holds 0.1"),
        ("llama.attention.output_scale", 2f, "holds 2 where 0 or 1"),
        ("llama.attn_logit_softcapping", 50f, "holds 50 where 0"),
        ("llama.final_logit_softcapping", 30f, "holds 30 where 0"),
        ("llama.logit_scale", 0.0625f, "holds 0.0625"),
        ("llama.residual_scale", 0.22f, "holds 0.22"),
        ("llama.embedding_scale", 12f, "holds 12"),
        ("llama.expert_count", 8u, "holds 8"),
        ("llama.expert_used_count", 2u, "holds 2"),
        ("llama.use_parallel_residual", true, "holds yes where 0"),
        ("llama.pooling_type", 3u, "holds 3"),
        ("llama.nextn_predict_layers", 1u, "holds 1"),
        ("llama.rope.dimension_count", 8u, "holds 8"),
        ("llama.rope.dimension_sections", (int[])[16, 24, 24, 0], "an array of 4 x Int32"),
        ("llama.rope.scaling.type", "longrope", "holds 'longrope' where"),
        ("llama.rope.scaling.factor", -2f, "holds -2"),
        ("llama.rope.scaling.attn_factor", 0f, "holds 0 where"),
        ("llama.rope.scaling.yarn_attn_factor", 0f, "holds 0 where 1"),
        ("llama.rope.scaling.yarn_ext_factor", 1f, "holds 1 where 0"),
        ("llama.some_new_thing", "x\u001b[2J", "holds 'x?[2J', and the decoder does not know"),
        ("general.type", "adapter", "holds 'adapter' where 'model'"),
        ("general.quantization_version", 1u, "holds 1 where"),
        ("adapter.lora.alpha", 16f, "part of an adapter"),
    ];

    // What converters write beside the sizes, and what changes nothing at these values.
    private static (string Key, object Value)[] Harmless =>
    [
        ("general.type", "model"), ("general.name", "x"), ("general.file_type", 1u), ("general.quantization_version", 2u), ("general.tags", (string[])["a"]),
        ("general.base_model.0.name", "y"), ("general.sampling.temp", 0.6f), ("quantize.imatrix.file", "f"), ("quantize.imatrix.entries_count", 3u), ("tokenizer.ggml.padding_token_id", 1u),
        ("llama.vocab_size", 96u), ("llama.tensor_data_layout", "Meta AI original pth"), ("llama.expert_count", 0u), ("llama.expert_used_count", 0u), ("llama.expert_weights_norm", false),
        ("llama.attention.sliding_window", 512u), ("llama.attention.causal", true), ("llama.attention.scale", 0.25f), ("llama.attention.clamp_kqv", 0f), ("llama.attn_logit_softcapping", 0f),
        ("llama.logit_scale", 1f), ("llama.residual_scale", 1f), ("llama.embedding_scale", 0f), ("llama.use_parallel_residual", false), ("llama.rope.dimension_sections", (int[])[0, 0, 0, 0]),
        ("llama.rope.scaling.attn_factor", 1f), ("llama.rope.scaling.factor", 0f), ("llama.rope.scaling.original_context_length", 256u), ("llama.rope.scaling.finetuned", true),
        ("llama.attention.layer_norm_epsilon", 1e-6f),
    ];

    [Fact]
    public void KeysThatChangeAnswersAreRefusedWithTheirValue()
    {
        foreach ((string key, object value, string says) in Changing)
        {
            string message = Assert.Throws<InvalidDataException>(() => Open("llama", [(key, value)]).Dispose()).Message;
            Assert.Contains($"'{key}' ", message, StringComparison.Ordinal);
            Assert.Contains(says, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void KeysThatChangeNothingAreTaken()
    {
        using LanguageModel plain = Open("llama", []), model = Open("llama", [.. Harmless.Select(h => (h.Key, (object?)h.Value))]);
        Assert.Equal(plain.Config with { SlidingWindow = 512 }, model.Config);
        Assert.Equal(plain.Identity, model.Identity);
    }

    // The golden is llama.cpp's answer to the same file with the type.
    [Fact]
    public void AFactorWithoutATypeIsLinear()
    {
        LogitGolden golden = LogitGolden.Read("llama-scaled");
        foreach (string key in (string[])["llama.rope.scaling.factor", "llama.rope.scale_linear"])
        {
            using LanguageModel model = Open("llama-scaled", [("llama.rope.scaling.type", null), ("llama.rope.scaling.factor", null), (key, 4f)]);
            float[] logits = new float[golden.Prompt.Length * model.VocabularySize];
            using Decoder decoder = new(model, new ExactAttention(model.Config, golden.Prompt.Length));
            decoder.ForwardEach(golden.Prompt, logits);
            for (int i = 0; i < golden.Logits.Length; i++)
                Assert.Equal(golden.Logits[i], logits[(golden.Positions[i / model.VocabularySize] * model.VocabularySize) + (i % model.VocabularySize)], Tolerances.Logits);
        }
    }

    [Fact]
    public void TypeNoneTurnsAFactorOff()
    {
        using LanguageModel model = Open("llama-scaled", [("llama.rope.scaling.type", "none")]);
        Assert.Equal(1, model.Config.RopeDivisor);
    }

    // Up to the window all tokens see all; behind it they would not.
    [Fact]
    public void AWindowOfTheContextEndsThere()
    {
        using LanguageModel model = Open("llama", [("llama.context_length", 4u), ("llama.attention.sliding_window", 5u)]);
        using Decoder decoder = new(model, new ExactAttention(model.Config, 8), new DecoderOptions { BeyondContext = true });
        decoder.Read([1, 2, 3, 4, 5]);
        Assert.Contains("sliding window", Assert.Throws<InvalidOperationException>(() => decoder.Read([6])).Message, StringComparison.Ordinal);
    }

    private static LanguageModel Open(string name, (string Key, object? Value)[] changes)
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("plain"), name);
        using GgufFile file = GgufFile.Open(folder.File("plain"));
        GgufEdit.Copy(file, changes).Save(folder.File("changed"));
        return LanguageModel.Open(folder.File("changed"));
    }
}
