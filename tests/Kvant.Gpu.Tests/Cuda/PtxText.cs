namespace Kvant.Gpu.Tests.Cuda;

/// <summary>A piece of PTX that ends with a semicolon, a brace, a colon or, as directives of a line do, with its line.</summary>
internal readonly record struct PtxStatement(int Line, string Text, char End)
{
    public NotSupportedException Unsupported(string why) => new($"PTX line {Line}: {why}: {Text}");
}

/// <summary>Cuts the text of a module into statements.</summary>
internal sealed class PtxText
{
    private readonly string _text;
    private int _at, _line = 1;

    public PtxText(string text)
    {
        var clean = new System.Text.StringBuilder(text.TrimEnd('\0'));
        for (int i = 0; i + 1 < clean.Length; i++)
        {
            // Lines stay, so that a fault names the right one.
            if (clean[i] == '/' && clean[i + 1] == '/')
                for (; i < clean.Length && clean[i] != '\n'; i++)
                    clean[i] = ' ';
            else if (clean[i] == '/' && clean[i + 1] == '*')
            {
                int end = clean.ToString(i, clean.Length - i).IndexOf("*/", 2, StringComparison.Ordinal);
                end = end < 0 ? clean.Length : i + end + 2;
                for (; i < end; i++)
                    if (clean[i] != '\n')
                        clean[i] = ' ';
                i--;
            }
        }

        _text = clean.ToString();
    }

    /// <summary>The next statement, or null at the end.</summary>
    public PtxStatement? Next()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
            Step();
        if (_at == _text.Length)
            return null;
        int line = _line, start = _at;
        if (_text[_at] is '{' or '}')
        {
            char brace = _text[_at];
            Step();
            return new(line, "", brace);
        }

        ReadOnlySpan<char> rest = _text.AsSpan(_at);
        int space = rest.IndexOfAny(" \t\r\n");
        bool ofLine = rest[..(space < 0 ? rest.Length : space)] is ".version" or ".target" or ".address_size" or ".file" or ".loc";
        bool directive = _text[_at] == '.';
        for (int braces = 0; _at < _text.Length; Step())
        {
            char c = _text[_at];
            bool opens = c == '{' && directive;
            if (ofLine ? c == '\n' : c == ';' || opens || c == ':' && braces == 0)
            {
                string text = _text[start.._at].Trim();
                Step();
                return new(line, text, ofLine ? '\n' : c);
            }

            braces += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (braces < 0)
                break;
        }

        if (ofLine)
            return new(line, _text[start..].Trim(), '\n');
        throw new NotSupportedException($"PTX line {line}: a statement that does not end: {_text[start.._at].Trim()}");
    }

    private void Step()
    {
        if (_text[_at++] == '\n')
            _line++;
    }
}
