using System.Globalization;
using static Kvant.Models.Generation.Templates.TemplateToken.Kinds;
using static Kvant.Models.Generation.Templates.TemplateValue;

namespace Kvant.Models.Generation.Templates;

/// <summary>What an expression is worth where it stands.</summary>
internal delegate object? TemplateExpression(TemplateScope scope);

/// <summary>Reads the expressions of a template, each as a function of its variables.</summary>
internal sealed class ExpressionParser(List<TemplateToken> tokens)
{
    private const int DeepestNesting = 100;

    private int _at;
    private int _depth;

    internal TemplateToken Current => tokens[_at];

    internal TemplateToken Take() => tokens[_at].Kind == End ? tokens[_at] : tokens[_at++];

    internal bool Is(TemplateToken.Kinds kind, string text) => Current.Kind == kind && Current.Text == text;

    internal bool Accept(TemplateToken.Kinds kind, string text)
    {
        bool found = Is(kind, text);
        if (found) _at++;
        return found;
    }

    internal void Expect(TemplateToken.Kinds kind, string text)
    {
        if (!Accept(kind, text)) throw Unexpected(text);
    }

    internal string ExpectName() => Current.Kind == Name ? Take().Text : throw Unexpected("a name");

    internal TemplateException Unexpected(string wanted) => new($"has '{Current.Text}' where {wanted} is wanted");

    /// <summary>An expression with all that may stand in one.</summary>
    internal TemplateExpression Parse()
    {
        Descend();
        TemplateExpression value = Or();
        if (Accept(Name, "if"))
        {
            TemplateExpression condition = Or(), otherwise = Accept(Name, "else") ? Parse() : static _ => Undefined, then = value;
            value = s => IsTrue(condition(s)) ? then(s) : otherwise(s);
        }
        _depth--;
        return value;
    }

    /// <summary>An expression without a choice, as behind <c>in</c> of a loop, whose <c>if</c> is the loop's.</summary>
    internal TemplateExpression Or()
    {
        TemplateExpression value = And();
        while (Accept(Name, "or"))
        {
            TemplateExpression left = value, right = And();
            value = s => left(s) is var l && IsTrue(l) ? l : right(s);
        }
        return value;
    }

    private TemplateExpression And()
    {
        TemplateExpression value = Not();
        while (Accept(Name, "and"))
        {
            TemplateExpression left = value, right = Not();
            value = s => left(s) is var l && IsTrue(l) ? right(s) : l;
        }
        return value;
    }

    private TemplateExpression Not()
    {
        if (!Accept(Name, "not")) return Comparison();
        Descend();
        TemplateExpression value = Not();
        _depth--;
        return s => !IsTrue(value(s));
    }

    private TemplateExpression Comparison()
    {
        TemplateExpression value = Sum();
        while (true)
        {
            TemplateExpression left = value;
            bool negated = Is(Name, "not") && tokens[_at + 1] is { Kind: Name, Text: "in" };
            if (negated) _at++;
            if (Accept(Name, "in"))
            {
                TemplateExpression right = Sum();
                value = s => Contains(right(s), left(s)) != negated;
            }
            else if (Current is { Kind: Sign, Text: "==" or "!=" or "<" or ">" or "<=" or ">=" })
            {
                string sign = Take().Text;
                TemplateExpression right = Sum();
                value = s => Compared(sign, left(s), right(s));
            }
            else return value;
        }
    }

    private static bool Compared(string sign, object? a, object? b) => sign switch
    {
        "==" => TemplateValue.Equals(a, b),
        "!=" => !TemplateValue.Equals(a, b),
        "<" => Compare(a, b) < 0,
        ">" => Compare(a, b) > 0,
        "<=" => Compare(a, b) <= 0,
        _ => Compare(a, b) >= 0,
    };

    private TemplateExpression Sum()
    {
        TemplateExpression value = Product();
        while (Current is { Kind: Sign, Text: "+" or "-" or "~" })
        {
            string sign = Take().Text;
            TemplateExpression left = value, right = Product();
            value = s => Counted(s, sign switch
            {
                "+" => Add(left(s), right(s)),
                "-" => checked(Number(left(s)) - Number(right(s))),
                _ => Text(left(s)).Plus(Text(right(s))),
            });
        }
        return value;
    }

    private TemplateExpression Product()
    {
        TemplateExpression value = Unary();
        while (Current is { Kind: Sign, Text: "*" or "//" or "%" })
        {
            string sign = Take().Text;
            TemplateExpression left = value, right = Unary();
            value = s =>
            {
                (long a, long b) = (Number(left(s)), Number(right(s)));
                if (sign == "*") return checked(a * b);
                if (b <= 0) throw new TemplateException("divides by a number that is not above 0");
                // As Python: towards minus infinity, the rest never below 0.
                long rest = ((a % b) + b) % b;
                return sign == "%" ? rest : (a - rest) / b;
            };
        }
        return value;
    }

    private TemplateExpression Unary()
    {
        if (!Accept(Sign, "-")) return Postfix(Primary());
        Descend();
        TemplateExpression value = Unary();
        _depth--;
        return s => -Number(value(s));
    }

    private TemplateExpression Postfix(TemplateExpression value)
    {
        while (true)
        {
            TemplateExpression inner = value;
            if (Accept(Sign, ".")) value = Member(inner, ExpectName());
            else if (Accept(Sign, "[")) value = Part(inner);
            else if (Accept(Sign, "|"))
            {
                string name = ExpectName();
                Func<TemplateScope, TemplateArguments> arguments = Is(Sign, "(") ? Arguments() : static _ => TemplateArguments.None;
                value = s => Counted(s, TemplateFunctions.Filter(name, inner(s), arguments(s)));
            }
            else if (Accept(Name, "is"))
            {
                bool negated = Accept(Name, "not");
                string name = ExpectName();
                Func<TemplateScope, TemplateArguments> arguments = Is(Sign, "(") ? Arguments() : static _ => TemplateArguments.None;
                value = s => TemplateFunctions.Test(name, inner(s), arguments(s)) != negated;
            }
            else return value;
        }
    }

    private TemplateExpression Member(TemplateExpression inner, string name)
    {
        if (!Is(Sign, "(")) return s => Index(inner(s), MarkedText.Written(name));
        Func<TemplateScope, TemplateArguments> arguments = Arguments();
        return s => Counted(s, TemplateFunctions.Method(inner(s), name, arguments(s)));
    }

    private TemplateExpression Part(TemplateExpression inner)
    {
        TemplateExpression? first = Is(Sign, ":") ? null : Parse();
        if (Accept(Sign, "]")) return s => Index(inner(s), first!(s));
        Expect(Sign, ":");
        TemplateExpression? last = Is(Sign, ":") || Is(Sign, "]") ? null : Parse(), step = Accept(Sign, ":") && !Is(Sign, "]") ? Parse() : null;
        Expect(Sign, "]");
        return s => Counted(s, Slice(inner(s), first?.Invoke(s), last?.Invoke(s), step?.Invoke(s)));
    }

    private TemplateExpression Primary()
    {
        TemplateToken token = Take();
        switch (token.Kind)
        {
            case Literal:
                MarkedText text = MarkedText.Written(token.Text);
                return _ => text;
            case Digits:
                if (!long.TryParse(token.Text, CultureInfo.InvariantCulture, out long number)) throw new TemplateException($"has the number {token.Text}, which is too large");
                return _ => number;
            case Name when token.Text is "true" or "True":
                return static _ => true;
            case Name when token.Text is "false" or "False":
                return static _ => false;
            case Name when token.Text is "none" or "None":
                return static _ => null;
            case Name when Is(Sign, "("):
                Func<TemplateScope, TemplateArguments> arguments = Arguments();
                return s => TemplateFunctions.Call(token.Text, arguments(s), s);
            case Name:
                return s => s[token.Text];
            case Sign when token.Text == "(":
                TemplateExpression inner = Parse();
                Expect(Sign, ")");
                return inner;
            case Sign when token.Text == "[":
                return List();
            case Sign when token.Text == "{":
                return Mapping();
            default:
                throw new TemplateException($"has '{token.Text}' where a value is wanted");
        }
    }

    private TemplateExpression List()
    {
        List<TemplateExpression> items = [];
        while (!Accept(Sign, "]"))
        {
            items.Add(Parse());
            if (!Is(Sign, "]")) Expect(Sign, ",");
        }
        return s => items.Select(i => i(s)).ToList();
    }

    private TemplateExpression Mapping()
    {
        List<(TemplateExpression Key, TemplateExpression Value)> entries = [];
        while (!Accept(Sign, "}"))
        {
            TemplateExpression key = Parse();
            Expect(Sign, ":");
            entries.Add((key, Parse()));
            if (!Is(Sign, "}")) Expect(Sign, ",");
        }
        return s =>
        {
            Dictionary<string, object?> map = [];
            foreach ((TemplateExpression key, TemplateExpression value) in entries) map[PlainText(key(s))] = value(s);
            return map;
        };
    }

    private Func<TemplateScope, TemplateArguments> Arguments()
    {
        List<TemplateExpression> placed = [];
        List<(string Name, TemplateExpression Value)> named = [];
        Expect(Sign, "(");
        while (!Accept(Sign, ")"))
        {
            if (Current.Kind == Name && tokens[_at + 1] is { Kind: Sign, Text: "=" })
            {
                string name = Take().Text;
                Take();
                named.Add((name, Parse()));
            }
            else placed.Add(Parse());
            if (!Is(Sign, ")")) Expect(Sign, ",");
        }
        return s =>
        {
            Dictionary<string, object?> names = [];
            foreach ((string name, TemplateExpression value) in named) names[name] = value(s);
            return new TemplateArguments([.. placed.Select(p => p(s))], names);
        };
    }

    private static object? Counted(TemplateScope scope, object? value)
    {
        scope.Count(value is List<object?> list ? list.Count + 1 : 1, value is MarkedText text ? text.Length : 0);
        return value;
    }

    private void Descend()
    {
        if (++_depth > DeepestNesting) throw new TemplateException($"is nested more than {DeepestNesting} deep");
    }
}
