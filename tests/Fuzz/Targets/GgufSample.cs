using Kvant.Models.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Small GGUF files.</summary>
internal static class GgufSample
{
    internal static byte[] Build(Action<GgufWriter> fill)
    {
        using TemporaryFolder folder = new();
        var writer = new GgufWriter();
        fill(writer);
        writer.Save(folder.File("written"));
        return File.ReadAllBytes(folder.File("written"));
    }

    /// <summary>Adds a vocabulary of byte pairs with the control tokens of a chat.</summary>
    internal static void AddBytePairs(GgufWriter writer)
    {
        writer.Add("tokenizer.ggml.model", "gpt2");
        writer.Add("tokenizer.ggml.pre", "smollm");
        writer.Add("tokenizer.ggml.tokens", (string[])["a", "b", "ab", "abab", "<|im_start|>", "<|im_end|>"]);
        writer.Add("tokenizer.ggml.token_type", (int[])[1, 1, 1, 1, 3, 3]);
        writer.Add("tokenizer.ggml.merges", (string[])["a b", "ab ab"]);
        writer.Add("tokenizer.ggml.bos_token_id", 4u);
        writer.Add("tokenizer.ggml.eos_token_id", 5u);
    }

    /// <summary>Adds a SentencePiece vocabulary.</summary>
    internal static void AddPieces(GgufWriter writer)
    {
        writer.Add("tokenizer.ggml.model", "llama");
        writer.Add("tokenizer.ggml.tokens", (string[])["<unk>", "a", "b", "ab", "\u2581ab"]);
        writer.Add("tokenizer.ggml.scores", (float[])[0, -1, -2, -3, -4]);
        writer.Add("tokenizer.ggml.unknown_token_id", 0u);
        writer.Add("tokenizer.ggml.bos_token_id", 1u);
    }
}
