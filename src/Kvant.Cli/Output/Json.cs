using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kvant.Cli.Output;

/// <summary>Writes results for machines.</summary>
internal static class Json
{
    // A terminal is no web page: signs such as < and ' stay readable.
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An array of one object per row.</summary>
    public static void WriteRows<TRow>(Terminal terminal, IReadOnlyList<Column<TRow>> columns, IEnumerable<TRow> rows) =>
        Write(terminal, json => WriteObjects(json, columns, rows));

    /// <summary>One object.</summary>
    public static void WriteRow<TRow>(Terminal terminal, IReadOnlyList<Column<TRow>> columns, TRow row) =>
        Write(terminal, json => WriteObject(json, columns, row));

    /// <summary>An array of objects as a value inside another one.</summary>
    public static void WriteObjects<TRow>(Utf8JsonWriter json, IReadOnlyList<Column<TRow>> columns, IEnumerable<TRow> rows)
    {
        json.WriteStartArray();
        foreach (TRow row in rows)
            WriteObject(json, columns, row);
        json.WriteEndArray();
    }

    /// <summary>An object as a value inside another one.</summary>
    public static void WriteObject<TRow>(Utf8JsonWriter json, IReadOnlyList<Column<TRow>> columns, TRow row)
    {
        json.WriteStartObject();
        foreach (Column<TRow> column in columns.Where(c => c.Field.Length > 0))
        {
            json.WritePropertyName(column.Field);
            column.WriteValue(json, row);
        }

        json.WriteEndObject();
    }

    /// <summary>Text that is JSON already.</summary>
    public static void Write(Terminal terminal, string json)
    {
        terminal.Out.Write(json);
        terminal.Out.WriteLine();
    }

    private static void Write(Terminal terminal, Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Options))
            write(json);
        Write(terminal, Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }
}
