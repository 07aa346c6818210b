namespace Kvant.Cli.Output;

/// <summary>
/// Which columns of a table stand beside each other in a terminal, and how wide, so that no word is cut: cells are broken behind words, minor columns are
/// left out from the last, and what is still too wide stands in further tables below, each with the names of the rows again.
/// </summary>
internal sealed class TableLayout
{
    // A blank behind every cell, one between cells, and one before the first.
    private const int BesideCell = 2, BeforeRow = 1;

    private TableLayout(IReadOnlyList<IReadOnlyList<TableColumnWidth>> tables, int leftOut) => (Tables, LeftOut) = (tables, leftOut);

    /// <summary>The tables, one below the other; none where not even the names of the rows and one more column fit.</summary>
    public IReadOnlyList<IReadOnlyList<TableColumnWidth>> Tables { get; }

    /// <summary>How many columns are left out.</summary>
    public int LeftOut { get; }

    /// <summary>Columns of a terminal that a table takes.</summary>
    public static int WidthOf(IEnumerable<int> widths) => widths.Sum(width => width + BesideCell) + BeforeRow;

    /// <summary>A table as wide as it takes.</summary>
    public static TableLayout Wide(IReadOnlyList<TableColumnWidth> columns) => new([[.. columns.Select(c => c with { Width = c.Most })]], 0);

    /// <summary>A table for a terminal.</summary>
    /// <param name="columns">What each column can do with.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static TableLayout Fit(IReadOnlyList<TableColumnWidth> columns, int width)
    {
        List<TableColumnWidth> shown = [.. columns];
        while (Least(shown) > width && shown.FindLastIndex(c => c.IsMinor) is >= 0 and var last)
            shown.RemoveAt(last);
        int leftOut = columns.Count - shown.Count;
        if (Least(shown) <= width)
            return new([Spread(shown, width)], leftOut);

        List<TableColumnWidth> names = [.. shown.TakeWhile(c => !c.IsNumber)];
        List<List<TableColumnWidth>> tables = [[.. names]];
        foreach (TableColumnWidth column in shown.Skip(names.Count))
        {
            if (tables[^1].Count > names.Count && Least([.. tables[^1], column]) > width)
                tables.Add([.. names]);
            tables[^1].Add(column);
        }

        return new(tables.TrueForAll(t => Least(t) <= width) ? [.. tables.Select(t => Spread(t, width))] : [], leftOut);
    }

    private static int Least(IEnumerable<TableColumnWidth> columns) => WidthOf(columns.Select(c => c.Least));

    // What is left goes to those that miss most.
    private static TableColumnWidth[] Spread(IReadOnlyList<TableColumnWidth> columns, int width)
    {
        TableColumnWidth[] spread = [.. columns.Select(c => c with { Width = c.Least })];
        for (int left = width - Least(columns); left > 0; left--)
        {
            int neediest = Enumerable.Range(0, spread.Length).MaxBy(i => spread[i].Most - spread[i].Width);
            if (spread[neediest].Most == spread[neediest].Width)
                break;
            spread[neediest] = spread[neediest] with { Width = spread[neediest].Width + 1 };
        }

        return spread;
    }
}
