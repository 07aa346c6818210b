using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Numerics;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>Compares a cut model with the uncut one, both with a past that loses nothing.</summary>
internal static class CutCheck
{
    // A prompt, the next tokens one by one, another part of a prompt.
    private static readonly int[] s_steps = [32, 1, 1, 1, 13, 1];

    /// <summary>Compares them.</summary>
    /// <exception cref="InvalidDataException">They do not agree.</exception>
    public static void Run(CutDecoder cut, string path)
    {
        using CompressedPast uncut = CompressedPast.Open(path, cut.Options, layerByLayer: false);
        using KvCache found = Exact(cut), wanted = Exact(uncut);
        float[] one = new float[cut.VocabularySize], other = new float[uncut.VocabularySize];
        var random = new SeededRandom(1);
        foreach (int count in s_steps)
        {
            int[] tokens = new int[count];
            foreach (ref int token in tokens.AsSpan())
                token = (int)(random.NextDouble() * cut.VocabularySize);
            cut.Forward(found, tokens, one);
            uncut.Forward(wanted, tokens, other);
            float most = Math.Max(1, other.Max(Math.Abs)), bound = (uncut.IsHalf ? 3e-2f : 1e-3f) * most;
            for (int i = 0; i < one.Length; i++)
            {
                if (!(Math.Abs(one[i] - other[i]) <= bound))
                    throw new InvalidDataException($"{path}: cut at its attention, the model gives token {i} the logit {one[i]} behind {found.Length} tokens, uncut {other[i]}; {bound} may lie between. Its attention is something else than it looks like: use {nameof(CompressedPast)}.");
            }
        }
    }

    private static KvCache Exact(OnnxDecoder decoder) =>
        new(new() { Geometry = decoder.Geometry, Policy = LayerPolicy.Uniform(decoder.Geometry.Layers, LayerSpecs.Parse("fp32")), WindowCodec = CodecSpec.Parse("fp32") });
}
