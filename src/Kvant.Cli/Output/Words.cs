using System.Text;
using Spectre.Console;

namespace Kvant.Cli.Output;

/// <summary>Lines that end where words end. A word that is longer than a line stays whole.</summary>
internal static class Words
{
    /// <summary>Breaks a line into as few as its width allows; those that follow are indented as it is.</summary>
    /// <param name="line">One line of text.</param>
    /// <param name="width">Columns of a line.</param>
    /// <param name="commas">Whether a word may be broken behind its commas, as a codec spec may.</param>
    public static IEnumerable<string> Wrap(string line, int width, bool commas = false)
    {
        if (Width(line) <= width)
        {
            yield return line;
            yield break;
        }

        string indent = Indent(line);
        var broken = new StringBuilder(indent);
        foreach (string piece in Pieces(line[indent.Length..], commas))
        {
            if (broken.Length > indent.Length && Width(broken + piece.TrimEnd(' ')) > width)
            {
                yield return broken.ToString().TrimEnd(' ');
                broken.Clear().Append(indent);
            }

            broken.Append(piece);
        }

        yield return broken.ToString().TrimEnd(' ');
    }

    /// <summary>The columns of the longest line.</summary>
    public static int LongestLine(string text) => text.Split('\n').Max(Width);

    /// <summary>The fewest columns that <see cref="Wrap"/> can do with.</summary>
    public static int LongestWord(string text, bool commas = false) => text.Split('\n').Max(line =>
        Indent(line) is var indent ? Pieces(line[indent.Length..], commas).Select(piece => Width(indent + piece.TrimEnd(' '))).DefaultIfEmpty().Max() : 0);

    private static int Width(string text) => text.GetCellWidth();

    private static string Indent(string line) => line[..(line.Length - line.TrimStart(' ').Length)];

    // Words with the blanks behind them.
    private static IEnumerable<string> Pieces(string text, bool commas)
    {
        int begin = 0;
        for (int i = 1; i < text.Length; i++)
        {
            if ((text[i - 1] == ' ' && text[i] != ' ') || (commas && text[i - 1] == ',' && text[i] != ' '))
            {
                yield return text[begin..i];
                begin = i;
            }
        }

        if (begin < text.Length)
            yield return text[begin..];
    }
}
