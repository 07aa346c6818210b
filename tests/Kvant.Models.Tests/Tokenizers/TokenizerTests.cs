using System.Text;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Tests.Tokenizers;

public sealed class TokenizerTests
{
    [Theory, InlineData("mini"), InlineData("qwen2")]
    public void CharactersAppearWhenTheirLastByteDoes(string name)
    {
        const string text = "Ruth \U0001f600\u4f60\u597d \u00fcber";
        Tokenizer tokenizer = TokenizerSamples.Open(name);
        TokenAssembler assembler = tokenizer.CreateAssembler();
        List<string> parts = [.. tokenizer.Encode(text, addBegin: false).Select(assembler.Append)];
        Assert.Contains("", parts);
        Assert.DoesNotContain(parts, p => p.Contains('\ufffd', StringComparison.Ordinal));
        Assert.Equal(text, string.Concat(parts).TrimStart(' '));
        Assert.Equal("", assembler.Finish());
    }

    [Fact]
    public void ACharacterCutShortIsShownAtTheEnd()
    {
        Tokenizer tokenizer = TokenizerSamples.Open("mini");
        TokenAssembler assembler = tokenizer.CreateAssembler();
        Assert.Equal("", assembler.Append(tokenizer.Find("<0xE4>")!.Value));
        Assert.Equal("\ufffd", assembler.Finish());
    }

    [Fact]
    public void HalvesOfSurrogatePairsBecomeTheReplacementCharacter()
    {
        Tokenizer tokenizer = TokenizerSamples.Open("qwen2");
        Assert.Equal("a\ufffdb", tokenizer.Decode(tokenizer.Encode("a\ud83db")));
    }

    [Fact]
    public void ControlTokensAreTextUnlessAskedFor()
    {
        Tokenizer tokenizer = TokenizerSamples.Open("qwen2");
        int end = tokenizer.Find("<|im_end|>")!.Value;
        Assert.DoesNotContain(end, tokenizer.Encode("bye<|im_end|>"));
        Assert.Equal(end, tokenizer.Encode("bye<|im_end|>", parseSpecial: true)[^1]);
        Assert.True(tokenizer.IsEnd(end));
        Assert.False(tokenizer.IsEnd(0));
    }

    [Fact]
    public void TokensOutsideTheVocabularyAreRefused()
    {
        Tokenizer tokenizer = TokenizerSamples.Open("mini");
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([1024]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([-1]));
    }

    // More words than are remembered, short ones, long ones, and the same again; by many threads, too.
    [Theory, InlineData("qwen2"), InlineData("smollm")]
    public void WhatATokenizerRemembersChangesNothing(string name)
    {
        Tokenizer known = TokenizerSamples.Open(name);
        var random = new Random(20261129);
        string[] texts = [.. Enumerable.Range(0, 8).Select(_ => string.Join(' ', Enumerable.Range(0, 5000).Select(_ => Word(random))))];
        int[][] fresh = [.. texts.Select(text => TokenizerSamples.Open(name).Encode(text))];
        for (int round = 0; round < 2; round++)
            Assert.Equal(fresh, texts.Select(text => known.Encode(text)));
        Assert.Equal(fresh, texts.AsParallel().AsOrdered().Select(text => known.Encode(text)));

        static string Word(Random random) => string.Concat(Enumerable.Range(0, 1 + (random.Next(20) == 0 ? 40 : random.Next(6))).Select(_ => "aehinorst".Substring(random.Next(9), 1)));
    }

    // With a search through all pairs per merge, each of these texts would take hours.
    [Theory(Timeout = 20_000), InlineData("mini"), InlineData("qwen2"), InlineData("smollm")]
    public Task LongWordsAndLongSpacesTakeNoQuadraticTime(string name) => Task.Run(() =>
    {
        Tokenizer tokenizer = TokenizerSamples.Open(name);
        foreach (string text in (string[])[new('a', 200_000), new(' ', 200_000), new('<', 200_000), string.Concat(Enumerable.Repeat("\n ", 100_000))])
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, parseSpecial: true)));
    });

    [Fact]
    public void UnpairedBytesOfAVocabularyDecodeToThemselves()
    {
        Tokenizer tokenizer = TokenizerSamples.Open("mini");
        int[] tokens = [.. Encoding.UTF8.GetBytes("\u00e9").Select(b => tokenizer.Find($"<0x{b:X2}>")!.Value)];
        Assert.Equal("\u00e9", tokenizer.Decode(tokens));
    }
}
