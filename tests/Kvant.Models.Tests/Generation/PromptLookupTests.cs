using Kvant.Models.Generation;

namespace Kvant.Models.Tests.Generation;

public sealed class PromptLookupTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("a", "")]
    [InlineData("abcdb", "")] // one token alone says little
    [InlineData("abcdab", "cd")]
    [InlineData("xabcd yabce xab", "cd ")] // where more of the last tokens stood
    [InlineData("xabcd xabce xab", "ce ")] // of equal places the latest
    [InlineData("aa", "")]
    [InlineData("abcdeabcd", "eab")] // no more than agreed, and no more than wanted
    [InlineData("aaa", "aa")] // guesses go on behind the text
    [InlineData("ababab", "aba")]
    public void WhatFollowedBeforeIsGuessed(string text, string guessed)
    {
        PromptLookup lookup = new();
        foreach (char token in text) lookup.Add(token);
        int[] guesses = new int[3];
        int count = lookup.Guess(guesses);
        Assert.Equal(guessed, string.Concat(guesses.Take(count).Select(token => (char)token)));
        Assert.Equal(0, lookup.Guess([]));
    }

    [Fact]
    public void ALongRepetitionIsFoundWithoutReadingAllOfIt()
    {
        PromptLookup lookup = new();
        int[] passage = [.. Enumerable.Range(0, 1000)];
        foreach (int token in (int[])[.. passage, -1, .. passage[..500]]) lookup.Add(token);
        int[] guesses = new int[8];
        Assert.Equal(8, lookup.Guess(guesses));
        Assert.Equal(passage[500..508], guesses);
    }
}
