using System.Globalization;
using System.Runtime.InteropServices;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace LlamaSpeed;

/// <summary>What llama.cpp's own caches lose, each against its cache of f32, on the tokens that <c>kvant evaluate</c> reads; and, on request, a file of the
/// logits with that cache (docs/formats/logits.md), which Kvant's caches can be compared with.</summary>
internal static class CacheLoss
{
    private const int Together = 128;

    private static readonly (string Name, int Type, double Bits)[] Caches = [("f16", 1, 16), ("q8_0", 8, 8.5), ("q5_0", 6, 5.5), ("q4_0", 2, 4.5)];

    public static void Run(string path, string text, int context, int chunks, string? file)
    {
        using LanguageModel model = LanguageModel.Open(path);
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        TextChunk[] pieces = TextChunk.Cut(tokenizer.Encode(File.ReadAllText(text), addBegin: false), tokenizer.AddsBegin ? tokenizer.Begin : null, context, chunks);
        if (pieces.Length < chunks)
            throw new ArgumentException($"the text has {pieces.Length} pieces of {context} tokens; {chunks} are wanted");
        int size = model.VocabularySize, threads = Environment.ProcessorCount;
        using Llama exact = new(path, context, threads, type: 0);
        Llama[] others = [.. Caches.Select(c => new Llama(path, context, threads, c.Type))];
        List<TokenComparison[]>[] found = [.. Caches.Select(_ => new List<TokenComparison[]>())];
        using SafetensorsWriter? writer = file is null ? null : Create(file, pieces, context, size);
        float[] logits = new float[Together * size];
        SoftmaxRow[] exactRows = [.. Enumerable.Range(0, Together).Select(_ => new SoftmaxRow(size))];
        SoftmaxRow row = new(size);
        foreach (TextChunk piece in pieces)
        {
            exact.Clear();
            for (int i = 0; i < others.Length; i++)
            {
                others[i].Clear();
                found[i].Add(new TokenComparison[context]);
            }

            for (int first = 0; first < context; first += Together)
            {
                ReadOnlySpan<int> tokens = piece.Inputs.Span.Slice(first, Math.Min(Together, context - first));
                exact.DecodeEach(tokens, logits);
                writer?.Write(MemoryMarshal.AsBytes(logits.AsSpan(0, tokens.Length * size)));
                for (int t = 0; t < tokens.Length; t++) exactRows[t].Set(logits.AsSpan(t * size, size), 1);
                for (int i = 0; i < others.Length; i++)
                {
                    others[i].DecodeEach(tokens, logits);
                    for (int t = 0; t < tokens.Length; t++)
                    {
                        row.Set(logits.AsSpan(t * size, size), 1);
                        found[i][^1][first + t] = TokenComparison.Of(exactRows[t], row, piece.Targets.Span[first + t]);
                    }
                }
            }
        }

        writer?.Commit();
        Console.WriteLine($"{Path.GetFileName(path)}, {pieces.Length} x {context} tokens of {Path.GetFileName(text)}, llama.cpp, each cache against its f32 cache");
        Console.WriteLine("  cache  bits  KL median   KL mean   KL 99 %  KL 99.9 %   top-1 %  perplexity %");
        for (int i = 0; i < others.Length; i++)
        {
            TokenLoss loss = TokenLoss.Of(new TokenComparisons(found[i]));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {Caches[i].Name,-5} {Caches[i].Bits,5} {loss.DivergenceMedian.Value,10:0.00e-0} {loss.DivergenceMean.Value,9:0.00e-0} {loss.DivergenceP99.Value,9:0.00e-0} {loss.DivergenceP999.Value,10:0.00e-0} {100 * loss.Top1.Value,9:0.00} {100 * (loss.PerplexityRatio.Value - 1),13:+0.000;-0.000}"));
            others[i].Dispose();
        }
    }

    private static SafetensorsWriter Create(string file, TextChunk[] pieces, int context, int size)
    {
        SafetensorsWriter writer = SafetensorsWriter.Create(
            file, [new("tokens", ElementType.I32, pieces.Length, context), new("logits", ElementType.F32, pieces.Length, context, size)],
            new Dictionary<string, string> { ["kvant.logits"] = "1", ["engine"] = "llama.cpp", ["cache"] = "f32" });
        foreach (TextChunk piece in pieces) writer.Write(MemoryMarshal.AsBytes(piece.Inputs.Span));
        return writer;
    }
}
