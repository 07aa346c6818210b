using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace LlamaStateBars;

/// <summary>The same model on a cache of Kvant's own.</summary>
internal static class KvantSide
{
    /// <summary>The log probabilities behind each of the last tokens, the ones before read as a prompt.</summary>
    /// <param name="path">The model.</param>
    /// <param name="preset">The policy; null for fp16.</param>
    /// <param name="tokens">All tokens.</param>
    /// <param name="prompt">How many of them are the prompt.</param>
    /// <param name="tail">Sinks and window; for fp16 they say nothing.</param>
    public static List<float[]> Follow(string path, string? preset, int[] tokens, int prompt, (int Sinks, int Window) tail = default)
    {
        using LanguageModel model = LanguageModel.Open(path);
        LayerPolicy policy = preset is null ? LayerPolicy.Uniform(model.Config.Layers, CodecSpec.Parse("fp16"), CodecSpec.Parse("fp16")) : CachePreset.Named(preset).ForLayers(model.Config.Layers);
        using var cache = new KvCache(new KvCacheOptions { Geometry = model.CacheGeometry, Policy = policy, Sinks = tail.Sinks, Window = tail.Window });
        using var team = new WorkerTeam(2);
        using var attention = new CompressedAttention(cache, team: team);
        using var decoder = new Decoder(model, attention, new DecoderOptions(), team);
        float[] logits = new float[model.VocabularySize];
        decoder.Forward(tokens.AsSpan(0, prompt), logits);
        List<float[]> all = [];
        for (int i = prompt; i < tokens.Length; i++)
        {
            decoder.Forward(tokens.AsSpan(i, 1), logits);
            all.Add(Divergence.LogProbabilities(logits));
        }

        return all;
    }
}
