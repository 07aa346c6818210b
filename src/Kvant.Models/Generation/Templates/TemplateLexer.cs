using System.Text;
using static Kvant.Models.Generation.Templates.TemplateToken.Kinds;

namespace Kvant.Models.Generation.Templates;

/// <summary>
/// Cuts a Jinja template into tokens. White space around tags goes as chat templates expect it (trim_blocks and lstrip_blocks): the line break behind
/// a block's tag and the spaces before it on its line, and everything on the side of a minus sign.
/// </summary>
internal static class TemplateLexer
{
    private static readonly string[] s_signs = ["==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "~", "+", "-", "*", "/", "%", "<", ">", "="];

    internal static List<TemplateToken> Cut(string source)
    {
        string text = source.ReplaceLineEndings("\n");
        if (text.EndsWith('\n')) text = text[..^1];
        List<TemplateToken> tokens = [];
        int at = 0;
        bool strips = false, trimsBreak = false;
        while (at < text.Length)
        {
            int tag = NextTag(text, at);
            string data = text[at..(tag < 0 ? text.Length : tag)];
            if (strips) data = data.TrimStart();
            else if (trimsBreak && data.StartsWith('\n')) data = data[1..];
            if (tag < 0)
            {
                AddData(data);
                break;
            }
            char kind = text[tag + 1], sign = tag + 2 < text.Length ? text[tag + 2] : ' ';
            if (sign == '-') data = data.TrimEnd();
            else if (kind != '{' && sign != '+' && OpensLine(data, at)) data = data.TrimEnd(' ', '\t');
            AddData(data);
            at = tag + (sign is '-' or '+' ? 3 : 2);
            if (kind == '#')
            {
                int close = text.IndexOf("#}", at, StringComparison.Ordinal);
                if (close < 0) throw new TemplateException("has a comment without an end");
                (strips, trimsBreak, at) = (text[close - 1] == '-', true, close + 2);
                continue;
            }
            tokens.Add(new TemplateToken(kind == '%' ? BeginBlock : BeginOutput, text.Substring(tag, 2)));
            at = CutTag(text, at, kind == '%' ? "%}" : "}}", tokens, out strips);
            trimsBreak = kind == '%';
        }
        tokens.Add(new TemplateToken(End, "the end"));
        return tokens;

        void AddData(string data)
        {
            if (data.Length > 0) tokens.Add(new TemplateToken(Data, data));
        }

        // Whether only spaces stand between the tag and the beginning of its line.
        bool OpensLine(string data, int start)
        {
            int spaces = data.Length - data.TrimEnd(' ', '\t').Length, before = data.Length - spaces;
            return before > 0 ? data[before - 1] == '\n' : start == 0 || text[start - 1] == '\n' || (trimsBreak && start < text.Length && text[start] == '\n');
        }
    }

    private static int NextTag(string text, int from)
    {
        for (int at = text.IndexOf('{', from); at >= 0 && at + 1 < text.Length; at = text.IndexOf('{', at + 1))
        {
            if (text[at + 1] is '{' or '%' or '#') return at;
        }
        return -1;
    }

    private static int CutTag(string text, int at, string close, List<TemplateToken> tokens, out bool strips)
    {
        int depth = 0;
        while (true)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
            if (at >= text.Length) throw new TemplateException("has a tag without an end");
            strips = text[at] is '-';
            if (depth == 0 && text.AsSpan(at + (text[at] is '-' or '+' ? 1 : 0)).StartsWith(close, StringComparison.Ordinal))
            {
                tokens.Add(new TemplateToken(close == "%}" ? EndBlock : EndOutput, close));
                return at + close.Length + (text[at] is '-' or '+' ? 1 : 0);
            }
            TemplateToken token = Next(text, ref at);
            tokens.Add(token);
            if (token is { Kind: Sign, Text: "{" or "[" or "(" }) depth++;
            if (token is { Kind: Sign, Text: "}" or "]" or ")" }) depth--;
        }
    }

    private static TemplateToken Next(string text, ref int at)
    {
        int start = at;
        char c = text[at];
        if (c is '\'' or '"') return new TemplateToken(Literal, Quoted(text, ref at));
        if (char.IsAsciiLetter(c) || c == '_')
        {
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_')) at++;
            return new TemplateToken(Name, text[start..at]);
        }
        if (char.IsAsciiDigit(c))
        {
            while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
            return new TemplateToken(Digits, text[start..at]);
        }
        foreach (string sign in s_signs)
        {
            if (!text.AsSpan(at).StartsWith(sign, StringComparison.Ordinal)) continue;
            at += sign.Length;
            return new TemplateToken(Sign, sign);
        }
        throw new TemplateException($"has the sign U+{(int)c:X4}, which is not understood");
    }

    private static string Quoted(string text, ref int at)
    {
        char quote = text[at++];
        StringBuilder value = new();
        for (; at < text.Length; at++)
        {
            if (text[at] == quote)
            {
                at++;
                return value.ToString();
            }
            if (text[at] != '\\' || at + 1 >= text.Length)
            {
                value.Append(text[at]);
                continue;
            }
            at++;
            value.Append(text[at] switch
            {
                'n' => "\n",
                't' => "\t",
                'r' => "\r",
                '\\' => "\\",
                '\'' => "'",
                '"' => "\"",
                char other and not ('u' or 'U' or 'x' or 'N') => $"\\{other}",
                char other => throw new TemplateException($"has the escape \\{other} in a string, which is not understood"),
            });
        }
        throw new TemplateException("has a string without an end");
    }
}
