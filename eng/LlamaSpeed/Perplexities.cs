using System.Globalization;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.LanguageModels;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace LlamaSpeed;

/// <summary>The perplexity of one text on the pieces that <c>kvant evaluate</c> reads, without a compressed cache: Kvant's and llama.cpp's on the same file, and llama.cpp's on its weights in single precision,
/// the reference.</summary>
internal static class Perplexities
{
    private const int Together = 128;

    public static void Run(string path, string text, int context, int chunks)
    {
        using LanguageModel model = LanguageModel.Open(path);
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        TextChunk[] pieces = TextChunk.Cut(tokenizer.Encode(File.ReadAllText(text), addBegin: false), tokenizer.AddsBegin ? tokenizer.Begin : null, context, chunks);
        int size = model.VocabularySize, threads = 1;
        using (Llama reference = new(FloatCopy.Of(path), context, threads, type: 0))
            Print("llama.cpp, weights in f32", OfLlama(reference));
        Print("Kvant, exact", OfKvant(Arithmetic.Exact));
        Print("Kvant, fast", OfKvant(Arithmetic.Fast));
        using (Llama theirs = new(path, context, threads, type: 0))
            Print("llama.cpp", OfLlama(theirs));

        double OfLlama(Llama llama) => Of(llama.Clear, (tokens, logits) => llama.DecodeEach(tokens.Span, logits.Span));

        double OfKvant(Arithmetic arithmetic)
        {
            CodecSpec fp32 = CodecSpec.Parse("fp32");
            using KvCache cache = new(model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, fp32, fp32)));
            using CompressedAttention attention = new(cache, new() { Threads = threads });
            using Decoder decoder = new(model, attention, new DecoderOptions { Arithmetic = arithmetic, Batch = Together, Threads = threads });
            return Of(cache.Clear, (tokens, logits) => decoder.ForwardEach(tokens.Span, logits));
        }

        double Of(Action clear, Action<ReadOnlyMemory<int>, Memory<float>> read)
        {
            float[] logits = new float[Together * size];
            double surprise = 0;
            foreach (TextChunk piece in pieces)
            {
                clear();
                for (int first = 0; first < context; first += Together)
                {
                    int count = Math.Min(Together, context - first);
                    read(piece.Inputs.Slice(first, count), logits.AsMemory(0, count * size));
                    for (int t = 0; t < count; t++) surprise += Surprise(logits.AsSpan(t * size, size), piece.Targets.Span[first + t]);
                }
            }

            return Math.Exp(surprise / ((long)pieces.Length * context));
        }
    }

    private static double Surprise(ReadOnlySpan<float> logits, int token)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        return largest + Math.Log(sum) - logits[token];
    }

    private static void Print(string name, double perplexity) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-26} perplexity {perplexity:0.00000}"));
}
