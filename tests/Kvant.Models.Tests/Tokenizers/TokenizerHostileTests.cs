using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Models.Tokenizers;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Tokenizers;

public sealed class TokenizerHostileTests
{
    // A vocabulary costs its dictionaries: some hundred bytes for a token of nine.
    private static readonly HostileBytes s_hostile = new(ReadAll, allocationPerByte: 64);

    private static byte[] BytePairs { get; } = GgufSamples.Build(writer =>
    {
        writer.Add("tokenizer.ggml.model", "gpt2");
        writer.Add("tokenizer.ggml.pre", "smollm");
        writer.Add("tokenizer.ggml.tokens", (string[])["a", "b", "ab", "abab", "<|x|>"]);
        writer.Add("tokenizer.ggml.token_type", (int[])[1, 1, 1, 1, 3]);
        writer.Add("tokenizer.ggml.merges", (string[])["a b", "ab ab"]);
        writer.Add("tokenizer.ggml.bos_token_id", 4u);
    });

    private static byte[] Pieces { get; } = GgufSamples.Build(writer =>
    {
        writer.Add("tokenizer.ggml.model", "llama");
        writer.Add("tokenizer.ggml.tokens", (string[])["<unk>", "a", "b", "ab", "\u2581ab"]);
        writer.Add("tokenizer.ggml.scores", (float[])[0, -1, -2, -3, -4]);
        writer.Add("tokenizer.ggml.unknown_token_id", 0u);
    });

    [Fact]
    public void FlippedBytesOfVocabulariesAreSurvived()
    {
        s_hostile.FlipEveryByte(BytePairs);
        s_hostile.FlipEveryByte(Pieces);
    }

    [Fact]
    public void MutantsOfVocabulariesAreSurvived()
    {
        s_hostile.Mutate(BytePairs, seed: 20260402, count: 3000);
        s_hostile.Mutate(Pieces, seed: 20260403, count: 3000);
    }

    [Fact]
    public void WhatAVocabularyLacksIsRefusedByName()
    {
        Refused("'tokenizer.ggml.model'", _ => { });
        Refused("'wordpiece'", w => w.Add("tokenizer.ggml.model", "wordpiece"));
        Refused("'tokenizer.ggml.tokens'", w => w.Add("tokenizer.ggml.model", "llama"));
        Refused("'tokenizer.ggml.scores'", w => Fill(w, "llama", ["a"]));
        Refused("'tokenizer.ggml.merges'", w => Fill(w, "gpt2", ["a"]));
        Refused("each of the 1 tokens", w => { Fill(w, "llama", ["a"]); w.Add("tokenizer.ggml.scores", (float[])[0, 1]); });
        Refused("a token from 0 to 0", w => { Fill(w, "llama", ["a"]); w.Add("tokenizer.ggml.bos_token_id", 1u); });
        Refused("'starcoder'", w => { Fill(w, "gpt2", ["a"]); w.Add("tokenizer.ggml.pre", "starcoder"); });
        Refused("'ab'", w => { Fill(w, "gpt2", ["a"]); w.Add("tokenizer.ggml.merges", (string[])["ab"]); });
    }

    private static void Fill(GgufWriter writer, string model, string[] tokens)
    {
        writer.Add("tokenizer.ggml.model", model);
        writer.Add("tokenizer.ggml.tokens", tokens);
    }

    private static void Refused(string says, Action<GgufWriter> fill) =>
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => TokenizerSamples.Build(fill)).Message, StringComparison.Ordinal);

    private static void ReadAll(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        Tokenizer tokenizer = Tokenizer.Read(file);
        int[] tokens = tokenizer.Encode("ab abab <|x|>\u00e9 12", parseSpecial: true);
        tokenizer.Decode(tokens, showSpecial: true);
    }
}
