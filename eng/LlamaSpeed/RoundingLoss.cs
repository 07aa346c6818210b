using System.Globalization;
using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace LlamaSpeed;

/// <summary>What rounding vectors loses: the divergence of next-token probabilities from those of exact arithmetic, for Kvant's fast products, token by
/// token and many at once, and for llama.cpp.</summary>
internal static class RoundingLoss
{
    public static void Run(string path, string text, int count)
    {
        using LanguageModel model = LanguageModel.Open(path);
        int[] tokens = Tokenizer.Read(model.File).Encode(File.ReadAllText(text))[..count];
        int size = model.VocabularySize;
        float[] exact = Read(model, tokens, Arithmetic.Exact, 64), theirs = new float[exact.Length];
        Print("Kvant fast, one by one", exact, Read(model, tokens, Arithmetic.Fast, 1), size);
        Print("Kvant fast, 64 at once", exact, Read(model, tokens, Arithmetic.Fast, 64), size);
        using Llama llama = new(path, count + 1, 1);
        for (int i = 0; i < count; i++)
        {
            llama.Decode([tokens[i]]);
            llama.Logits().CopyTo(theirs.AsSpan(i * size));
        }

        Print("llama.cpp", exact, theirs, size);
    }

    private static float[] Read(LanguageModel model, int[] tokens, Arithmetic arithmetic, int batch)
    {
        CodecSpec fp32 = CodecSpec.Parse("fp32");
        using KvCache cache = new(model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, fp32, fp32)));
        using CompressedAttention attention = new(cache);
        using Decoder decoder = new(model, attention, new DecoderOptions { Arithmetic = arithmetic, Batch = batch });
        float[] logits = new float[tokens.Length * model.VocabularySize];
        decoder.ForwardEach(tokens, logits);
        return logits;
    }

    private static void Print(string name, float[] wanted, float[] found, int size)
    {
        int count = wanted.Length / size, same = 0;
        double[] divergences = new double[count];
        float[] p = new float[size], q = new float[size];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> a = wanted.AsSpan(i * size, size), b = found.AsSpan(i * size, size);
            TensorPrimitives.SoftMax(a, p);
            TensorPrimitives.SoftMax(b, q);
            for (int j = 0; j < size; j++)
            {
                if (p[j] > 0)
                    divergences[i] += p[j] * Math.Log((double)p[j] / q[j]);
            }

            same += TensorPrimitives.IndexOfMax(a) == TensorPrimitives.IndexOfMax(b) ? 1 : 0;
        }

        Array.Sort(divergences);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-24} KL median {divergences[count / 2]:0.0000000}, mean {divergences.Average():0.0000000}, 99 % {divergences[count * 99 / 100]:0.000000}, top-1 {100.0 * same / count:0.0} %"));
    }
}
