using Kvant.Cli.Output;

namespace Kvant.Cli.Tests;

/// <summary>Tables of any words in terminals of any width: no word is cut, nothing that is not minor is lost.</summary>
public sealed class TablesTests
{
    [Theory]
    [InlineData(45)]
    [InlineData(80)]
    [InlineData(120)]
    [InlineData(200)]
    public void EveryWordStandsWholeInATerminal(int width)
    {
        var random = new Random(width);
        for (int table = 0; table < 100; table++)
        {
            Column<string[]>[] columns = [.. Enumerable.Range(0, random.Next(1, 14)).Select(i => RandomColumn(random, i))];
            string[][] rows = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => columns.Select((c, i) => RandomCell(random, c.IsNumber)).ToArray())];
            string text = Written(columns, rows, width);
            Assert.All(text.Split('\n'), line => Assert.True(line.TrimEnd().Length <= width, $"{line.Length} columns: {line}"));
            Dictionary<string, int> found = text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).GroupBy(w => w).ToDictionary(g => g.Key, g => g.Count());
            foreach ((Column<string[]> column, int i) in columns.Select((c, i) => (c, i)).Where(c => !c.c.IsMinor))
            {
                IEnumerable<string> words = rows.SelectMany(row => Pieces(row[i], column.BreaksAtCommas)).Concat(column.Title.Split(' '));
                // A spec that fits is not broken.
                Assert.All(words, word => Assert.True(found.ContainsKey(word) || found.Keys.Any(f => f.Contains(word, StringComparison.Ordinal) && f.Contains(',', StringComparison.Ordinal)), $"'{word}' is cut at {width}:\n{text}"));
            }
        }
    }

    [Fact]
    public void MinorColumnsGiveWayFromTheLastAndAreCounted()
    {
        Column<int>[] columns =
        [
            Column<int>.OfText("", "name", _ => "a"),
            Column<int>.OfInteger("", "first", _ => 1_000_000_000, minor: true),
            Column<int>.OfInteger("", "second", _ => 2_000_000_000),
            Column<int>.OfInteger("", "third", _ => 2_100_000_000, minor: true),
        ];
        Assert.Contains("1 more column ", Written(columns, [0], 35), StringComparison.Ordinal);
        string narrow = Written(columns, [0], 20);
        Assert.Contains("2 more columns ", narrow, StringComparison.Ordinal);
        Assert.Contains("2000000000", narrow, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatDoesNotFitStandsBelowUnderTheSameNames()
    {
        Column<int>[] columns = [Column<int>.OfText("", "name", _ => "row"), .. Enumerable.Range(0, 6).Select(i => Column<int>.OfInteger("", $"column{i}", r => 1_000_000 + i))];
        string[] lines = Written(columns, [0], 40).Split('\n');
        Assert.Equal(2, lines.Count(line => line.TrimStart().StartsWith("row", StringComparison.Ordinal)));
        Assert.All(Enumerable.Range(0, 6), i => Assert.Single(lines, line => line.Contains($"{1_000_000 + i}", StringComparison.Ordinal)));
    }

    [Fact]
    public void NamesThatLeaveNoRoomMakeALittleListOfEachRow()
    {
        string path = new('p', 60);
        string text = Written([Column<int>.OfText("", "file", _ => path), Column<int>.OfInteger("", "bytes", _ => 12)], [0], 62);
        Assert.Equal($"file\n  {path}\nbytes  12", text.Trim());
    }

    [Fact]
    public void WideSignsCountTwice()
    {
        string text = Written([Column<int>.OfText("", "file", _ => "模型模型模型 模型模型"), Column<int>.OfInteger("", "bytes", _ => 1_000_000)], [0], 24);
        Assert.Contains("模型模型模型", text, StringComparison.Ordinal);
        Assert.Contains("1000000", text, StringComparison.Ordinal);
    }

    private static string Written<TRow>(IReadOnlyList<Column<TRow>> columns, IReadOnlyList<TRow> rows, int width) =>
        TerminalText.Of(width, terminal => Tables.Write(terminal, json: false, columns, rows));

    private static IEnumerable<string> Pieces(string text, bool commas) =>
        text.Split(' ', StringSplitOptions.RemoveEmptyEntries).SelectMany(word => commas ? word.Replace(",", ", ", StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries) : [word]);

    private static Column<string[]> RandomColumn(Random random, int index) => (index == 0 ? 0 : random.Next(4)) switch
    {
        0 => Column<string[]>.OfText("", RandomWords(random, 3), row => row[index]),
        1 => Column<string[]>.OfSpec("", RandomWords(random, 2), row => row[index]),
        _ => Column<string[]>.OfReal("", RandomWords(random, 3), "0.000", row => double.Parse(row[index], System.Globalization.CultureInfo.InvariantCulture), minor: random.Next(3) == 0),
    };

    private static string RandomCell(Random random, bool number) => number
        ? (random.Next(1, 1000) * Math.Pow(10, random.Next(0, 9))).ToString("0.000", System.Globalization.CultureInfo.InvariantCulture)
        : RandomWords(random, 5).Replace("x ", ",", StringComparison.Ordinal);

    private static string RandomWords(Random random, int most) =>
        string.Join(' ', Enumerable.Range(0, random.Next(1, most + 1)).Select(_ => new string([.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => (char)('a' + random.Next(26)))])));
}
