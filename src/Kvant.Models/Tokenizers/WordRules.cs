using System.Text;

namespace Kvant.Models.Tokenizers;

/// <summary>
/// The patterns of the families, each as a scan by hand: over whole characters, not halves of surrogate pairs, and in time that
/// is linear in the text.
/// </summary>
internal static class WordRules
{
    private static readonly string[] s_contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    /// <summary><c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c></summary>
    internal static int Gpt2(ReadOnlySpan<char> text)
    {
        int contraction = Contraction(text, StringComparison.Ordinal);
        if (contraction > 0) return contraction;
        int space = text[0] == ' ' ? 1 : 0;
        int word = While(text, space, Rune.IsLetter);
        if (word == space) word = While(text, space, Rune.IsNumber);
        if (word == space) word = While(text, space, IsSymbol);
        return word > space ? word : Spaces(text);
    }

    /// <summary><c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c></summary>
    /// <param name="text">The text.</param>
    /// <param name="numbers">How many digits make a word at most.</param>
    internal static int Cl100k(ReadOnlySpan<char> text, int numbers)
    {
        int contraction = Contraction(text, StringComparison.OrdinalIgnoreCase);
        if (contraction > 0) return contraction;
        Rune first = At(text, 0, out int firstLength);
        int lead = Rune.IsLetter(first) || Rune.IsNumber(first) || first.Value is '\r' or '\n' ? 0 : firstLength;
        int word = While(text, lead, Rune.IsLetter);
        if (word > lead) return word;
        word = While(text, 0, Rune.IsNumber, numbers);
        if (word > 0) return word;
        int space = text[0] == ' ' ? 1 : 0;
        word = While(text, space, IsSymbol);
        if (word > space) return While(text, word, IsLineBreak);
        int spaces = While(text, 0, Rune.IsWhiteSpace);
        int lastBreak = text[..spaces].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? lastBreak + 1 : Spaces(text);
    }

    /// <summary>Each character of <c>\p{N}</c>, and what lies between.</summary>
    internal static int SingleNumbers(ReadOnlySpan<char> text) =>
        While(text, 0, Rune.IsNumber, 1) is > 0 and int one ? one : While(text, 0, static r => !Rune.IsNumber(r));

    /// <summary><c>\p{N}+</c>, and what lies between.</summary>
    internal static int Numbers(ReadOnlySpan<char> text) =>
        While(text, 0, Rune.IsNumber) is > 0 and int run ? run : While(text, 0, static r => !Rune.IsNumber(r));

    /// <summary><c>[\p{P}\$\+&lt;=&gt;\^~\|]+</c>, and what lies between.</summary>
    internal static int Punctuation(ReadOnlySpan<char> text) =>
        While(text, 0, IsPunctuation) is > 0 and int run ? run : While(text, 0, static r => !IsPunctuation(r));

    /// <summary><c>[0-9][0-9][0-9]</c>, and what lies between.</summary>
    internal static int ThreeDigits(ReadOnlySpan<char> text)
    {
        int run = 0;
        for (int i = 0; i < text.Length; i++)
        {
            run = char.IsAsciiDigit(text[i]) ? run + 1 : 0;
            if (run == 3) return i == 2 ? 3 : i - 2;
        }
        return text.Length;
    }

    // Spaces before a word leave the last of them to it.
    private static int Spaces(ReadOnlySpan<char> text)
    {
        int spaces = While(text, 0, Rune.IsWhiteSpace);
        return spaces > 1 && spaces < text.Length ? spaces - 1 : spaces;
    }

    private static int Contraction(ReadOnlySpan<char> text, StringComparison comparison)
    {
        if (text[0] != '\'') return 0;
        foreach (string contraction in s_contractions)
        {
            if (text.StartsWith(contraction, comparison)) return contraction.Length;
        }
        return 0;
    }

    private static bool IsSymbol(Rune rune) => !Rune.IsWhiteSpace(rune) && !Rune.IsLetter(rune) && !Rune.IsNumber(rune);

    private static bool IsLineBreak(Rune rune) => rune.Value is '\r' or '\n';

    private static bool IsPunctuation(Rune rune) => Rune.IsPunctuation(rune) || (rune.IsAscii && "$+<=>^~|".Contains((char)rune.Value));

    private static int While(ReadOnlySpan<char> text, int start, Predicate<Rune> belongs, int most = int.MaxValue)
    {
        int end = start;
        for (int i = 0; i < most && end < text.Length; i++)
        {
            Rune rune = At(text, end, out int length);
            if (!belongs(rune)) break;
            end += length;
        }
        return end;
    }

    private static Rune At(ReadOnlySpan<char> text, int index, out int length)
    {
        Rune.DecodeFromUtf16(text[index..], out Rune rune, out length);
        return rune;
    }
}
