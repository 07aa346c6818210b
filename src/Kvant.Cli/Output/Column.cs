using System.Globalization;
using System.Text.Json;
using Kvant.Evaluation.Reports;

namespace Kvant.Cli.Output;

/// <summary>One column of a table, which is also one field of its JSON objects.</summary>
internal sealed class Column<TRow>
{
    private Column(string field, string title, Func<TRow, string> text, Action<Utf8JsonWriter, TRow> write)
    {
        (Field, Title, Text, WriteValue) = (field, title, text, write);
    }

    /// <summary>The field in JSON, camelCase; empty for a column that only the table shows.</summary>
    public string Field { get; }

    /// <summary>The heading in the table; empty for a field that only JSON shows.</summary>
    public string Title { get; }

    /// <summary>The cell in the table.</summary>
    public Func<TRow, string> Text { get; }

    /// <summary>Writes the value in JSON.</summary>
    public Action<Utf8JsonWriter, TRow> WriteValue { get; }

    /// <summary>Whether a narrow terminal may break a cell behind its commas, too.</summary>
    public bool BreaksAtCommas { get; private init; }

    /// <summary>Numbers stand at the right.</summary>
    public bool IsNumber { get; private init; }

    /// <summary>Left out where the terminal is too narrow for the whole table.</summary>
    public bool IsMinor { get; private init; }

    /// <summary>The cell in a terminal that is too narrow for <see cref="Text"/>; null where there is no other way to write it.</summary>
    public Func<TRow, string>? FoldedText { get; private init; }

    public static Column<TRow> OfText(string field, string title, Func<TRow, string?> value) =>
        new(field, title, row => Printable.Line(value(row) ?? ""), (json, row) => json.WriteStringValue(value(row)));

    public static Column<TRow> OfInteger(string field, string title, Func<TRow, long> value, bool minor = false) =>
        new(field, title, row => value(row).ToString(CultureInfo.InvariantCulture), (json, row) => json.WriteNumberValue(value(row)))
        {
            IsNumber = true,
            IsMinor = minor,
        };

    /// <summary>A column of numbers with so many digits; a null or a number that is not finite is <c>null</c> in JSON; the table shows a dash or <c>inf</c>.</summary>
    public static Column<TRow> OfReal(string field, string title, string format, Func<TRow, double?> value, bool minor = false) =>
        OfReal(field, title, number => NumberText.Fixed(number, format), value, minor);

    /// <summary>The same for errors and other numbers of any size.</summary>
    public static Column<TRow> OfError(string field, string title, Func<TRow, double?> value, bool minor = false) =>
        OfReal(field, title, NumberText.Significant, value, minor);

    /// <summary>A codec spec. It is long, but it has joints: a narrow terminal breaks it at its commas.</summary>
    public static Column<TRow> OfSpec(string field, string title, Func<TRow, string> value) =>
        new(field, title, value, (json, row) => json.WriteStringValue(value(row))) { BreaksAtCommas = true };

    /// <summary>A column whose JSON value is not the text of the cell.</summary>
    public static Column<TRow> OfValue(string field, string title, Func<TRow, string> text, Action<Utf8JsonWriter, TRow> write, Func<TRow, string>? folded = null) =>
        new(field, title, text, write) { FoldedText = folded };

    private static Column<TRow> OfReal(string field, string title, Func<double, string> text, Func<TRow, double?> value, bool minor) =>
        new(field, title, row => Show(value(row), text), (json, row) => WriteReal(json, value(row)))
        {
            IsNumber = true,
            IsMinor = minor,
        };

    private static string Show(double? value, Func<double, string> text) => value switch
    {
        null or double.NaN => "-",
        double.PositiveInfinity => "inf",
        double.NegativeInfinity => "-inf",
        { } number => text(number),
    };

    private static void WriteReal(Utf8JsonWriter json, double? value)
    {
        if (value is { } number && double.IsFinite(number))
            json.WriteNumberValue(number);
        else
            json.WriteNullValue();
    }
}
