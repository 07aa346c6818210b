using Kvant.Evaluation.Experiments;
using Spectre.Console;

namespace Kvant.Cli.Output;

/// <summary>Writes results for people: as wide as the terminal, or as wide as it takes where the reader is a file.</summary>
internal static class Tables
{
    /// <summary>Rows as a table, or as JSON.</summary>
    public static void Write<TRow>(Terminal terminal, bool json, IReadOnlyList<Column<TRow>> columns, IReadOnlyList<TRow> rows)
    {
        if (json)
            Json.WriteRows(terminal, columns, rows);
        else
            WriteTable(terminal, columns, rows);
    }

    /// <summary>One thing as a list of names and values, or as a JSON object.</summary>
    public static void WriteOne<TRow>(Terminal terminal, bool json, IReadOnlyList<Column<TRow>> fields, TRow row)
    {
        if (json)
        {
            Json.WriteRow(terminal, fields, row);
            return;
        }

        WriteList(terminal, [.. fields.Where(f => f.Title.Length > 0)], row);
    }

    /// <summary>A line that names what a default comparison left out, where it did and people read.</summary>
    public static void WriteLeftOut(Terminal terminal, bool json, IReadOnlyList<LeftOut> leftOut)
    {
        if (!json && LeftOut.Describe(leftOut) is { } line)
            terminal.Out.WriteLine(line);
    }

    private static void WriteTable<TRow>(Terminal terminal, IReadOnlyList<Column<TRow>> columns, IReadOnlyList<TRow> rows)
    {
        List<Column<TRow>> titled = [.. columns.Where(c => c.Title.Length > 0)];
        TableLayout layout = TableLayout.Wide(Widths(c => c.Text));
        Func<Column<TRow>, Func<TRow, string>> cell = c => c.Text;
        if (terminal.OutWidth < TableLayout.WidthOf(layout.Tables[0].Select(c => c.Width)))
        {
            cell = c => c.FoldedText ?? c.Text;
            layout = TableLayout.Fit(Widths(cell), terminal.OutWidth.Value);
        }

        foreach (IReadOnlyList<TableColumnWidth> shown in layout.Tables)
        {
            var table = new Table { Border = TableBorder.Simple, UseSafeBorder = true };
            foreach (TableColumnWidth column in shown)
            {
                var title = new Text(string.Join('\n', Words.Wrap(titled[column.Index].Title, column.Width)), new Style(decoration: Decoration.Bold));
                table.AddColumn(new TableColumn(title) { Alignment = column.IsNumber ? Justify.Right : Justify.Left, Width = column.Width, Padding = new Padding(0, 0, 1, 0) });
            }

            foreach (TRow row in rows)
                table.AddRow(shown.Select(c => new Text(string.Join('\n', Lines(titled[c.Index], cell(titled[c.Index])(row), c.Width)))));
            terminal.Show(table, TableLayout.WidthOf(shown.Select(c => c.Width)));
        }

        if (layout.Tables.Count == 0)
        {
            foreach (TRow row in rows)
            {
                WriteList(terminal, titled, row);
                terminal.Out.WriteLine();
            }
        }
        else if (layout.LeftOut > 0)
            terminal.Out.WriteLine($"{layout.LeftOut} more {(layout.LeftOut == 1 ? "column" : "columns")} in a wider terminal, in a file, or with --json.");

        TableColumnWidth[] Widths(Func<Column<TRow>, Func<TRow, string>> cell) => [.. titled.Select((column, index) =>
        {
            string[] cells = [.. rows.Select(row => Printable.Of(cell(column)(row)))];
            return new TableColumnWidth(
                index,
                Math.Max(Words.LongestWord(column.Title), cells.Select(text => Words.LongestWord(text, column.BreaksAtCommas)).DefaultIfEmpty().Max()),
                Math.Max(Words.LongestLine(column.Title), cells.Select(Words.LongestLine).DefaultIfEmpty().Max()),
                column.IsNumber, column.IsMinor);
        })];
    }

    // The value beside its title, or below it where that leaves too little room.
    private static void WriteList<TRow>(Terminal terminal, IReadOnlyList<Column<TRow>> fields, TRow row)
    {
        const int Between = 2;
        int indent = fields.Max(f => Words.LongestLine(f.Title)) + Between;
        foreach (Column<TRow> field in fields)
        {
            string text = Printable.Of(field.Text(row)), title = field.Title.PadRight(indent);
            int room = terminal.OutWidth ?? int.MaxValue;
            if (room - indent < Words.LongestWord(text, field.BreaksAtCommas))
            {
                terminal.Out.WriteLine(field.Title);
                title = new string(' ', Between);
            }

            foreach (string line in Lines(field, text, room - title.Length))
            {
                terminal.Out.WriteLine($"{title}{line}".TrimEnd());
                title = new string(' ', title.Length);
            }
        }
    }

    private static IEnumerable<string> Lines<TRow>(Column<TRow> column, string text, int width) =>
        Printable.Of(text).Split('\n').SelectMany(line => Words.Wrap(line, width, column.BreaksAtCommas));
}
