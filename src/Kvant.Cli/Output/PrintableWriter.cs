using System.Text;

namespace Kvant.Cli.Output;

/// <summary>Writes <see cref="Printable"/> text; what is written as a line stays one, whatever names stand in it, but for breaks behind words where a terminal ends.</summary>
/// <param name="inner">Receives it.</param>
/// <param name="width">Columns of the terminal, or null where there is none.</param>
internal sealed class PrintableWriter(TextWriter inner, int? width = null) : TextWriter
{
    private volatile bool _closed;

    public override Encoding Encoding => inner.Encoding;

    /// <summary>Columns of the terminal, or null where there is none.</summary>
    public int? Width => width;

    /// <summary>Whether the last line was ended, as far as this writer knows.</summary>
    public bool AtLineStart { get; private set; } = true;

    public override void Write(char value) => Write(value.ToString());

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void Write(string? value)
    {
        if (_closed || string.IsNullOrEmpty(value))
            return;
        inner.Write(Printable.Of(value));
        AtLineStart = value.EndsWith('\n');
    }

    public override void WriteLine() => WriteLine("");

    public override void WriteLine(string? value)
    {
        if (_closed)
            return;
        foreach (string line in Words.Wrap(Printable.Line(value ?? ""), width ?? int.MaxValue))
            inner.WriteLine(line);
        AtLineStart = true;
    }

    public override void Flush()
    {
        if (!_closed)
            inner.Flush();
    }

    /// <summary>Ends the line that was begun, if there is one, and from now on writes nothing.</summary>
    public void Silence()
    {
        if (!AtLineStart)
            WriteLine();
        _closed = true;
    }
}
