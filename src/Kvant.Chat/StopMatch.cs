namespace Kvant.Chat;

/// <summary>How much of a text the end of another is, sign by sign (Knuth, Morris and Pratt 1977): over a whole text each sign costs a step or two.</summary>
/// <param name="text">What is looked for, at least one sign.</param>
internal sealed class StopMatch(string text)
{
    // Of each beginning of the text the longest shorter one with which it ends.
    private readonly int[] _shorter = ShorterOf(text);

    public int Length => text.Length;

    /// <summary>How many signs of the text have come last.</summary>
    public int Matched { get; private set; }

    /// <summary>Takes the next sign.</summary>
    /// <returns>Whether the text is whole with it.</returns>
    public bool Take(char sign)
    {
        Matched = Next(text, _shorter, Matched, sign);
        return Matched == text.Length;
    }

    private static int[] ShorterOf(string text)
    {
        int[] shorter = new int[text.Length + 1];
        for (int i = 1; i < text.Length; i++)
            shorter[i + 1] = Next(text, shorter, shorter[i], text[i]);
        return shorter;
    }

    private static int Next(string text, int[] shorter, int matched, char sign)
    {
        while (matched > 0 && (matched == text.Length || text[matched] != sign))
            matched = shorter[matched];
        return text[matched] == sign ? matched + 1 : 0;
    }
}
