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

        int width = fields.Max(f => f.Title.Length);
        foreach (Column<TRow> field in fields.Where(f => f.Title.Length > 0))
        {
            string[] lines = field.Text(row).Split('\n');
            for (int i = 0; i < lines.Length; i++)
                terminal.Out.WriteLine($"{(i == 0 ? field.Title : "").PadRight(width)}  {lines[i]}");
        }
    }

    /// <summary>A line that names what a default comparison left out, where it did and people read.</summary>
    public static void WriteLeftOut(Terminal terminal, bool json, IReadOnlyList<LeftOut> leftOut)
    {
        if (!json && LeftOut.Describe(leftOut) is { } line)
            terminal.Out.WriteLine(line);
    }

    private static void WriteTable<TRow>(Terminal terminal, IReadOnlyList<Column<TRow>> columns, IReadOnlyList<TRow> rows)
    {
        List<Column<TRow>> shown = [.. columns.Where(c => c.Title.Length > 0)];
        bool folded = false;
        folded = terminal.OutWidth < Width();
        int left = 0;
        while (terminal.OutWidth < Width() && shown.FindLastIndex(c => c.IsMinor) is >= 0 and var last)
        {
            shown.RemoveAt(last);
            left++;
        }

        var table = new Table { Border = TableBorder.Simple, UseSafeBorder = true };
        foreach (Column<TRow> column in shown)
            table.AddColumn(new TableColumn(new Text(column.Title, new Style(decoration: Decoration.Bold))) { Alignment = column.IsNumber ? Justify.Right : Justify.Left, NoWrap = column.IsNumber, Padding = new Padding(0, 0, 1, 0) });
        foreach (TRow row in rows)
            table.AddRow(shown.Select(c => new Text(Cell(c, row))));
        terminal.Show(table, Width());
        if (left > 0)
            terminal.Out.WriteLine($"{left} more columns in a wider terminal, in a file, or with --json.");

        // A blank behind every cell and one between cells.
        int Width() => shown.Sum(c => 2 + Math.Max(c.Title.Length, rows.Select(r => LongestLine(Cell(c, r))).DefaultIfEmpty().Max())) + 1;

        string Cell(Column<TRow> column, TRow row) => Printable.Of((folded ? column.FoldedText ?? column.Text : column.Text)(row));
    }

    private static int LongestLine(string text) => text.Split('\n').Max(line => line.Length);
}
