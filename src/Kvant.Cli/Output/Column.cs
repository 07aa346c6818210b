using System.Globalization;
using System.Text.Json;

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

    /// <summary>A column of numbers; a null or a number that is not finite is <c>null</c> in JSON; the table shows a dash or <c>inf</c>.</summary>
    public static Column<TRow> OfReal(string field, string title, string format, Func<TRow, double?> value, bool minor = false) =>
        new(field, title, row => Show(value(row), format), (json, row) => WriteReal(json, value(row)))
        {
            IsNumber = true,
            IsMinor = minor,
        };

    /// <summary>A codec spec. It is long, but it has joints: a narrow terminal breaks it at its commas.</summary>
    public static Column<TRow> OfSpec(string field, string title, Func<TRow, string> value) =>
        new(field, title, value, (json, row) => json.WriteStringValue(value(row)))
        {
            FoldedText = row => value(row).Replace(",", ",\n", StringComparison.Ordinal),
        };

    /// <summary>A column whose JSON value is not the text of the cell.</summary>
    public static Column<TRow> OfValue(string field, string title, Func<TRow, string> text, Action<Utf8JsonWriter, TRow> write, Func<TRow, string>? folded = null) =>
        new(field, title, text, write) { FoldedText = folded };

    private static string Show(double? value, string format)
    {
        if (value is not { } number || double.IsNaN(number))
            return "-";
        if (double.IsInfinity(number))
            return number > 0 ? "inf" : "-inf";
        string text = number.ToString(format, CultureInfo.InvariantCulture);
        return text.AsSpan().ContainsAnyInRange('1', '9') ? text : text.TrimStart('-'); // no minus before a rounded zero
    }

    private static void WriteReal(Utf8JsonWriter json, double? value)
    {
        if (value is { } number && double.IsFinite(number))
            json.WriteNumberValue(number);
        else
            json.WriteNullValue();
    }
}
