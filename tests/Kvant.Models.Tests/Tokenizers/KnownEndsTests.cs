using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Models.Tokenizers;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Tokenizers;

public sealed class KnownEndsTests
{
    // llama.cpp counts these as ends, and shows none of them, whatever kind the file gives them.
    [Theory, InlineData(1), InlineData(3), InlineData(4), InlineData(null)]
    public void EndsAreKnownByTheirTextWhateverTheirKind(int? kind)
    {
        string[] texts = ["<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "</s>", "<|fim_pad|>", "<reponame>", "plain"];
        Tokenizer tokenizer = Build(texts, kind, []);
        for (int i = 0; i < texts.Length; i++)
        {
            bool end = texts[i] != "plain";
            Assert.Equal(end, tokenizer.IsEnd(i));
            Assert.Equal(end || kind is 3 ? "" : texts[i], tokenizer.Decode([i]));
            Assert.DoesNotContain(end ? i : -1, tokenizer.Encode(texts[i], addBegin: false));
            Assert.Equal(end || kind is 3 or 4, tokenizer.Encode(texts[i], addBegin: false, parseSpecial: true).SequenceEqual([i]));
        }
    }

    [Fact]
    public void EndsAreTheTokensThatTheFileNames()
    {
        Tokenizer tokenizer = Build(["a", "b", "c", "d", "e", "f", "<|file_sep|>"], 1, [("eos_token_id", 0u), ("eot_token_id", 1u), ("eom_token_id", 2u), ("fim_pad_token_id", 3u), ("fim_sep_token_id", 4u)]);
        Assert.Equal([true, true, true, true, true, false, false], Enumerable.Range(0, 7).Select(tokenizer.IsEnd));
    }

    [Theory, InlineData("add_eos_token", true), InlineData("add_sep_token", true), InlineData("suppress_tokens", null)]
    public void WhatWouldChangeTextsUnseenIsRefused(string key, object? value)
    {
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Build(["a"], 1, [(key, value ?? (int[])[0])]));
        Assert.Contains($"'tokenizer.ggml.{key}' holds", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SentencePieceHasItsUsualTokensWhereTheFileNamesNone()
    {
        using TemporaryFolder folder = new();
        using GgufFile file = GgufFile.Open(Goldens.Model("mini.gguf"));
        GgufEdit.Copy(file, [("tokenizer.ggml.bos_token_id", null), ("tokenizer.ggml.eos_token_id", null), ("tokenizer.ggml.unknown_token_id", null), ("tokenizer.ggml.add_bos_token", null)], _ => false)
            .Save(folder.File("bare"));
        using GgufFile bare = GgufFile.Open(folder.File("bare"));
        Tokenizer named = Tokenizer.Read(file), usual = Tokenizer.Read(bare);
        Assert.Equal((1, 2), (usual.Begin, usual.End));
        Assert.True(usual.AddsBegin);
        Assert.True(usual.IsEnd(2));
        Assert.Equal(named.Encode("A \u00e9"), usual.Encode("A \u00e9"));
    }

    private static Tokenizer Build(string[] tokens, int? kind, (string Key, object Value)[] more)
    {
        string[] letters = [.. Enumerable.Range(0, 256).Select(b => ByteAlphabet.Character((byte)b).ToString()).Except(tokens)];
        return TokenizerSamples.Build(writer =>
        {
            writer.Add("tokenizer.ggml.model", "gpt2");
            writer.Add("tokenizer.ggml.pre", "qwen2");
            writer.Add("tokenizer.ggml.tokens", (string[])[.. tokens, .. letters]);
            if (kind is { } k) writer.Add("tokenizer.ggml.token_type", (int[])[.. tokens.Select(_ => k), .. letters.Select(_ => 1)]);
            writer.Add("tokenizer.ggml.merges", (string[])[]);
            foreach ((string key, object value) in more) GgufEdit.Add(writer, $"tokenizer.ggml.{key}", value);
        });
    }
}
