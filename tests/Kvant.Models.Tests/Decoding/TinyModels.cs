using Kvant.Models.Decoding;
using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Numerics;

namespace Kvant.Models.Tests.Decoding;

/// <summary>Random models of every architecture, small enough to write in a moment, with weights of a size that makes logits differ.</summary>
internal static class TinyModels
{
    internal const int Vocabulary = 96;
    internal const int Layers = 3;
    internal const int QueryHeads = 4;
    internal const int KeyValueHeads = 2;

    /// <summary>Names, which begin with that of the family, and seeds; the seeds are chosen so that no two tokens come close on the 200 greedy ones of the goldens.</summary>
    internal static IReadOnlyDictionary<string, ulong> All { get; } = new Dictionary<string, ulong>
    {
        ["llama"] = 27,
        ["llama-tied"] = 7,
        ["llama-scaled"] = 6,
        ["llama-yarn"] = 139,
        ["qwen2"] = 37,
        ["qwen2-yarn"] = 54,
        ["qwen3"] = 144,
        ["qwen3-yarn"] = 48,
        ["qwen3moe"] = 65,
        ["phi3"] = 6,
        ["phi3-long"] = 86,
        ["phi3-window"] = 94,
        ["gemma3"] = 14,
        ["gemma3-period"] = 183,
        ["gemma3-full"] = 147,
    };

    // What stretches positions, and windows. The models are read for 24 tokens and then 200.
    private static (string Key, object Value)[] Extra(string name) => name switch
    {
        "llama-scaled" => [("rope.scaling.type", "linear"), ("rope.scaling.factor", 4f)],
        "llama-yarn" => [("rope.scaling.type", "yarn"), ("rope.scaling.factor", 8f), ("rope.scaling.original_context_length", 64u)],
        "qwen2-yarn" => [("rope.scaling.type", "yarn"), ("rope.scaling.factor", 2f)],
        "qwen3-yarn" =>
        [
            ("rope.scaling.type", "yarn"), ("rope.scaling.factor", 4f), ("rope.scaling.original_context_length", 128u), ("rope.scaling.attn_factor", 0.9f),
            ("rope.scaling.yarn_beta_fast", 12f), ("rope.scaling.yarn_beta_slow", 2f), ("rope.scaling.yarn_ext_factor", 0.75f),
        ],
        "qwen3moe" => [("expert_count", 6u), ("expert_used_count", 2u), ("expert_weights_norm", true), ("expert_gating_func", 1u)],
        "phi3" => [("attention.sliding_window", 512u)],
        "phi3-long" => [("rope.scaling.original_context_length", 256u), ("rope.scaling.attn_factor", 1.19f)],
        "phi3-window" => [("rope.scaling.original_context_length", 512u), ("attention.sliding_window", 11u)],
        "gemma3" => [("attention.sliding_window", 11u)],
        "gemma3-period" =>
        [
            ("attention.sliding_window", 40u), ("attention.sliding_window_pattern", 3u), ("rope.freq_base_swa", 5_000f), ("rope.scaling.type", "linear"), ("rope.scaling.factor", 8f),
        ],
        "gemma3-full" => [("final_logit_softcapping", 30f)],
        _ => [],
    };

    internal static void Write(string path, string name) => Create(name, All[name]).Save(path);

    /// <summary>A model whose matrices have another format, made of random blocks; its width holds the longest block.</summary>
    internal static GgufWriter CreateStored(string name, TensorFormat format) => Create(name, 1, format, width: 256, inner: 256);

    internal static GgufWriter Create(string name, ulong seed, TensorFormat? format = null, int width = 64, int inner = 96)
    {
        string architecture = name.Split('-')[0];
        Architecture family = Architecture.Find(architecture)!;
        // As in Qwen3, whose heads have dimensions that do not add up to the width.
        int dimension = name == "gemma3" ? Math.Min(256, 4 * width) : family.NormalizesHeads ? width / 2 : width / QueryHeads;
        // As many as it takes to have one without a window.
        int layers = name switch { "gemma3" => 7, "gemma3-27b" => 62, _ => Layers };
        GgufWriter writer = new();
        writer.Add("general.architecture", architecture);
        writer.Add("tokenizer.ggml.model", "none");
        writer.Add($"{architecture}.vocab_size", (uint)Vocabulary);
        writer.Add($"{architecture}.context_length", 512u);
        writer.Add($"{architecture}.embedding_length", (uint)width);
        writer.Add($"{architecture}.block_count", (uint)layers);
        writer.Add($"{architecture}.feed_forward_length", (uint)(family.HasExperts ? 2 * inner : inner));
        writer.Add($"{architecture}.attention.head_count", (uint)QueryHeads);
        writer.Add($"{architecture}.attention.head_count_kv", (uint)KeyValueHeads);
        writer.Add($"{architecture}.attention.key_length", (uint)dimension);
        writer.Add($"{architecture}.attention.value_length", (uint)dimension);
        writer.Add($"{architecture}.attention.layer_norm_rms_epsilon", 1e-5f);
        // As in Phi-4-mini, whose heads are turned in part.
        int turned = name == "phi3-long" ? dimension - (dimension / 4 / 2 * 2) : dimension;
        writer.Add($"{architecture}.rope.dimension_count", (uint)turned);
        writer.Add($"{architecture}.rope.freq_base", architecture == "llama" ? 10_000f : 1_000_000f);
        foreach ((string key, object value) in Extra(name)) GgufEdit.Add(writer, $"{architecture}.{key}", value);

        SeededRandom random = new(seed);
        bool tied = name is "llama-tied" or "gemma3-period";
        // Where embeddings are scaled, layers would not be heard beside larger ones.
        Matrix("token_embd", width, Vocabulary, !family.ScalesEmbeddings ? 1 : tied ? 0.04 : 0.12);
        Vector("output_norm.weight", width, tied && family.ScalesEmbeddings ? 9 : 1, 0.2);
        if (!tied) Matrix("output", width, Vocabulary, 0.4);
        // The stretched wavelengths of Llama 3.1, in miniature.
        if (name == "llama") writer.AddTensor("rope_freqs.weight", [.. Enumerable.Range(0, dimension / 2).Select(i => 1 + (14f * i / (dimension - 2)))], dimension / 2);
        if (name is "phi3-long" or "phi3-window")
        {
            writer.AddTensor("rope_factors_long.weight", [.. Enumerable.Range(0, turned / 2).Select(i => 1.1f + (1.5f * i))], turned / 2);
            writer.AddTensor("rope_factors_short.weight", [.. Enumerable.Range(0, turned / 2).Select(i => 1 + (0.1f * i))], turned / 2);
        }
        for (int layer = 0; layer < layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            Vector(prefix + "attn_norm.weight", width, 1, 0.2);
            if (family.FusesProjections) Projection(prefix + "attn_qkv", width, (QueryHeads + (2 * KeyValueHeads)) * dimension, false);
            else
            {
                Projection(prefix + "attn_q", width, QueryHeads * dimension, family.HasAttentionBias);
                Projection(prefix + "attn_k", width, KeyValueHeads * dimension, family.HasAttentionBias);
                Projection(prefix + "attn_v", width, KeyValueHeads * dimension, family.HasAttentionBias);
            }
            Projection(prefix + "attn_output", QueryHeads * dimension, width, false);
            if (family.NormalizesHeads)
            {
                Vector(prefix + "attn_q_norm.weight", dimension, 1.5, 0.3);
                Vector(prefix + "attn_k_norm.weight", dimension, 1.5, 0.3);
            }
            if (family.NormalizesOutputs) Vector(prefix + "post_attention_norm.weight", width, 1.2, 0.4);
            Vector(prefix + "ffn_norm.weight", width, 1, 0.2);
            if (family.HasExperts)
            {
                // Scores that differ, so that no rounding chooses another expert.
                Matrix(prefix + "ffn_gate_inp", width, 6, 0.5);
                Matrix(prefix + "ffn_gate_exps", width, inner, 2 / Math.Sqrt(width), 6);
                Matrix(prefix + "ffn_up_exps", width, inner, 2 / Math.Sqrt(width), 6);
                Matrix(prefix + "ffn_down_exps", inner, width, 2 / Math.Sqrt(inner), 6);
                continue;
            }
            if (!family.FusesProjections) Projection(prefix + "ffn_gate", width, inner, false);
            Projection(prefix + "ffn_up", width, family.FusesProjections ? 2 * inner : inner, false);
            Projection(prefix + "ffn_down", inner, width, false);
            if (family.NormalizesOutputs) Vector(prefix + "post_ffw_norm.weight", width, 1.2, 0.4);
        }
        return writer;

        void Projection(string tensor, int columns, int rows, bool bias)
        {
            Matrix(tensor, columns, rows, 2 / Math.Sqrt(columns));
            if (bias) Vector(tensor + ".bias", rows, 0, 1);
        }

        void Matrix(string tensor, int columns, int rows, double size, int matrices = 1)
        {
            int count = columns * rows * matrices;
            long[] shape = matrices == 1 ? [columns, rows] : [columns, rows, matrices];
            if (format is null) writer.AddTensor(tensor + ".weight", Numbers(count, 0, size), shape);
            else writer.AddTensor(tensor + ".weight", format, RandomBlocks.CreateOfSize(format, count, (int)random.NextBits(), size), shape);
        }

        void Vector(string tensor, int length, double mean, double size) => writer.AddTensor(tensor, Numbers(length, mean, size), length);

        float[] Numbers(int count, double mean, double size) => [.. Enumerable.Range(0, count).Select(_ => (float)(mean + (size * random.NextGaussian())))];
    }
}
