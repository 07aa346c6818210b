using System.Text.Json;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Tokenizers;

/// <summary>The tokenizers that the goldens were made with, and small ones of our own.</summary>
internal static class TokenizerSamples
{
    /// <summary>"mini" is SentencePiece, and so are "gemma" and "phi3" with the special tokens and rules of those; other names are pre-tokenizers over one byte-level vocabulary.</summary>
    internal static Tokenizer Open(string name)
    {
        using GgufFile file = GgufFile.Open(name switch
        {
            "mini" => Models.Tests.Goldens.Model("mini.gguf"),
            "gemma" or "phi3" => Models.Tests.Goldens.Path($"{name}.gguf"),
            _ => Models.Tests.Goldens.Path("bpe.gguf"),
        });
        return name is "mini" or "gemma" or "phi3" ? Tokenizer.Read(file) : new BytePairTokenizer(new Vocabulary(file), PreTokenizer.Find(name)!);
    }

    internal static List<JsonElement> Goldens(string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Models.Tests.Goldens.Path($"tokens-{name}.json")));
        return [.. document.RootElement.EnumerateArray().Select(e => e.Clone())];
    }

    internal static Tokenizer Build(Action<GgufWriter> fill)
    {
        using TemporaryFolder folder = new();
        GgufWriter writer = new();
        fill(writer);
        writer.Save(folder.File("vocabulary"));
        using GgufFile file = GgufFile.Open(folder.File("vocabulary"));
        return Tokenizer.Read(file);
    }
}
