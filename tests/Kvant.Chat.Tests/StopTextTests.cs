namespace Kvant.Chat.Tests;

public sealed class StopTextTests
{
    [Theory]
    [InlineData("abcdef", "", "abcdef")]
    [InlineData("abcdef", "cd", "ab")]
    [InlineData("abcdef", "x|ef|de", "abc")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("abab", "abc", "abab")]
    [InlineData("abcdef", "bcde|cd", "ab")]
    [InlineData("abcdef", "cd|bcd", "a")]
    [InlineData("aabaabaac", "aabaac", "aab")]
    [InlineData("", "a", "")]
    public void TextEndsBeforeTheFirstEndHoweverItComes(string text, string ends, string wanted)
    {
        for (int cuts = 0; cuts < 1 << Math.Max(0, text.Length - 1); cuts++)
        {
            StopText stop = new(ends.Length == 0 ? [] : ends.Split('|'));
            string shown = "";
            for (int at = 0, end; at < text.Length; at = end)
            {
                end = at + 1;
                while (end < text.Length && (cuts >> (end - 1) & 1) == 0)
                    end++;
                shown += stop.Append(text[at..end]);
                Assert.StartsWith(shown, wanted, StringComparison.Ordinal);
            }

            Assert.Equal(wanted, shown + stop.Finish());
        }
    }

    [Fact]
    public async Task LongEndsCostNoMoreThanShortOnes()
    {
        // What is held back is the beginning of the first; of each of the others much is there, and none is whole.
        const int Length = 1 << 16;
        StopText stop = new([new string('a', Length) + "b", .. Enumerable.Range(0, 15).Select(i => "b" + new string('a', Length - 2 - i) + "c")]);
        string shown = await Task.Run(() => string.Concat(Enumerable.Range(0, Length).Select(_ => stop.Append("a")))).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(("", "aa", Length), (shown, stop.Append("aa"), stop.Finish().Length));
    }
}
