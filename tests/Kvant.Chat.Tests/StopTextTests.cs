namespace Kvant.Chat.Tests;

public sealed class StopTextTests
{
    [Theory]
    [InlineData("abcdef", "", "abcdef")]
    [InlineData("abcdef", "cd", "ab")]
    [InlineData("abcdef", "x|ef|de", "abc")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("abab", "abc", "abab")]
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
}
