using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace Kvant.Benchmarks;

/// <summary>How many characters a second a model's tokenizer reads, of a text that it has seen before and of one with new words.</summary>
internal static class TokenizerSpeed
{
    private const int Characters = 1_000_000;

    public static int Run(string model, string text)
    {
        using GgufFile file = GgufFile.Open(model);
        string piece = File.ReadAllText(text), whole = string.Concat(Enumerable.Repeat(piece, (Characters / piece.Length) + 1))[..Characters];
        Tokenizer tokenizer = Tokenizer.Read(file);
        int tokens = 0;
        // What was seen before must not show, but in the time.
        int[] first = tokenizer.Encode(piece);
        if (!first.SequenceEqual(tokenizer.Encode(piece)) || !first.SequenceEqual(Tokenizer.Read(file).Encode(piece)))
            throw new InvalidOperationException("The same text has other tokens the second time.");
        double[] medians = Interleaved.Medians([() => tokens = tokenizer.Encode(whole).Length, () => Tokenizer.Read(file), () => Tokenizer.Read(file).Encode(piece)], 15);
        Console.WriteLine($"{Path.GetFileName(model)}, {Path.GetFileName(text)}: {Characters:N0} characters, {tokens:N0} tokens");
        Console.WriteLine($"{Characters * 1e3 / medians[0]:F1} million characters a second; the text once by a fresh tokenizer {piece.Length * 1e3 / (medians[2] - medians[1]):F1}");
        return 0;
    }
}
