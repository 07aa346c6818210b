using Kvant.Models.Gguf;

namespace Kvant.Models.Decoding;

/// <summary>
/// The rule for metadata, as <see cref="TensorSet"/> has it for tensors: each key of the architecture is understood by <see cref="ModelConfig"/> or <see cref="RopeScaling"/>,
/// harmless, harmless as long as it holds a certain value, or refused by name. Names and meanings are llama.cpp's.
/// </summary>
internal static class MetadataRules
{
    // Read and checked there.
    private static readonly HashSet<string> s_understood =
    [
        "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
        "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon", "attention.sliding_window",
        "rope.dimension_count", "rope.freq_base", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear", "rope.scaling.attn_factor",
    ];

    // By key, why it changes nothing here.
    private static readonly Dictionary<string, string> s_harmless = new()
    {
        ["vocab_size"] = "the embedding has as many rows",
        ["tensor_data_layout"] = "says who converted the weights; the layout of GGUF is one",
        ["attention.layer_norm_epsilon"] = "these architectures normalize by the root mean square, whose epsilon is another key",
        ["attention.temperature_length"] = "acts only with attention.temperature_scale",
        ["rope.scaling.finetuned"] = "says how the weights were trained",
        ["rope.scaling.original_context_length"] = "acts only with YaRN",
        ["rope.scaling.yarn_beta_fast"] = "acts only with YaRN",
        ["rope.scaling.yarn_beta_slow"] = "acts only with YaRN",
        ["rope.scaling.yarn_log_multiplier"] = "acts only with YaRN",
    };

    // Of layers with a sliding window: harmless where none has one. With them, what such a layer may have of its own.
    private static readonly Dictionary<string, Func<ModelConfig, double?>> s_windows = new()
    {
        ["attention.key_length_swa"] = static c => c.HeadDimension,
        ["attention.value_length_swa"] = static c => c.HeadDimension,
        ["rope.dimension_count_swa"] = static c => c.RopeDimension,
        ["rope.freq_base_swa"] = static c => c.RopeBase,
        ["attention.sliding_window_pattern"] = static _ => null,
    };

    // Off where 0 (or no, or an array of zeros); anything else is part of another kind of model.
    private static readonly HashSet<string> s_zero =
    [
        "attn_logit_softcapping", "final_logit_softcapping", "router_logit_softcapping", "use_parallel_residual", "swin_norm", "pooling_type",
        "leading_dense_block_count", "interleave_moe_layer_step", "moe_every_n_layers", "nextn_predict_layers", "n_deepstack_layers",
        "attention.clamp_kqv", "attention.max_alibi_bias", "attention.temperature_scale", "attention.q_lora_rank", "attention.kv_lora_rank",
        "attention.shared_kv_layers", "rope.scaling.alpha", "rope.scaling.yarn_ext_factor", "rope.dimension_sections",
    ];

    // Off where 1, and where 0, which llama.cpp takes for not said.
    private static readonly HashSet<string> s_one = ["logit_scale", "residual_scale", "embedding_scale", "attention.output_scale", "attention.value_scale"];

    /// <summary>Refuses the first key that would change what the model answers.</summary>
    /// <exception cref="InvalidDataException">There is one; the message names it and its value.</exception>
    internal static void Check(GgufFile file, ModelConfig config)
    {
        string prefix = config.Architecture + ".";
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            if (key.StartsWith(prefix, StringComparison.Ordinal)) CheckOfArchitecture(key[prefix.Length..], value, config);
            else CheckGeneral(key, value);
        }
    }

    private static void CheckOfArchitecture(string key, GgufValue value, ModelConfig config)
    {
        if (s_understood.Contains(key) || s_harmless.ContainsKey(key)) return;
        if (config.WindowRopeBase is not null && key is "rope.freq_base_swa" or "attention.sliding_window_pattern") return;
        if (config.Experts > 0 && key is "expert_count" or "expert_used_count" or "expert_feed_forward_length") return;
        if (config.Experts > 0 && key is "expert_weights_norm")
        {
            Require(value, 1);
            return;
        }
        // 1 is the softmax, the only one here.
        if (config.Experts > 0 && key is "expert_gating_func" or "expert_weights_scale")
        {
            Require(value, 0, 1);
            return;
        }
        if (config.LogitCap > 0 && key is "final_logit_softcapping") return;
        if (config.Scaling.IsYarn && key is "rope.scaling.yarn_ext_factor" or "rope.scaling.yarn_attn_factor") return;
        if (s_windows.TryGetValue(key, out Func<ModelConfig, double?>? own) && (!config.HasWindows || own(config) is not null))
        {
            if (config.HasWindows) Require(value, own(config)!.Value);
            return;
        }
        if (s_zero.Contains(key) || key.StartsWith("expert_", StringComparison.Ordinal))
            Require(value, 0);
        else if (s_one.Contains(key))
            Require(value, 0, 1);
        else if (key is "attention.causal" or "rope.scaling.yarn_attn_factor")
            Require(value, 1);
        else if (key is "attention.scale")
            Require(value, 0, config.QueryFactor / Math.Sqrt(config.HeadDimension));
        else
            throw value.Invalid($"holds {value}, and the decoder does not know what that changes; if nothing, write the file without it (gguf-py: gguf_new_metadata.py --remove-metadata)");
    }

    private static void CheckGeneral(string key, GgufValue value)
    {
        if (key is "general.type" && value.AsText() is not "model" and var type) throw value.Refuse("'model'", $"'{type}'");
        if (key is "general.quantization_version") Require(value, 0, 2);
        if (key.StartsWith("adapter.", StringComparison.Ordinal)) throw value.Refuse("a model", "part of an adapter");
    }

    private static void Require(GgufValue value, params ReadOnlySpan<double> harmless)
    {
        // Files hold single precision.
        const double Rounding = 1e-6;
        foreach (double wanted in harmless)
        {
            if (value.HoldsOnly(number => Math.Abs(number - wanted) <= Rounding * Math.Abs(wanted))) return;
        }
        throw value.Refuse($"{string.Join(" or ", harmless.ToArray().Select(w => $"{w:0.######}"))}, the value without effect,", $"{value}");
    }
}
