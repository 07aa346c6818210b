using static Kvant.Models.Generation.Templates.TemplateToken.Kinds;
using static Kvant.Models.Generation.Templates.TemplateValue;

namespace Kvant.Models.Generation.Templates;

/// <summary>
/// A chat template: a program in the part of Jinja that models' templates use (text, values, choices, loops, variables, and the functions of
/// <see cref="TemplateFunctions"/>). What is not understood is refused by name: tags when the program is read, the rest when it is reached.
/// </summary>
internal sealed class TemplateProgram
{
    private const int DeepestNesting = 100;

    private readonly ExpressionParser _parser;
    private readonly Statement _run;
    private int _depth;

    private TemplateProgram(string source)
    {
        _parser = new ExpressionParser(TemplateLexer.Cut(source));
        _run = Body();
        if (_parser.Current.Kind != End) throw _parser.Unexpected("the end");
    }

    // Writes its part of the text.
    private delegate void Statement(TemplateScope scope, List<MarkedText> output);

    /// <summary>Reads a program.</summary>
    /// <exception cref="TemplateException">It has something that is not understood.</exception>
    internal static TemplateProgram Parse(string source) => new(source);

    /// <summary>What the program writes.</summary>
    /// <exception cref="TemplateException">It reaches something that is not understood, takes too long, or refuses what it was given.</exception>
    internal MarkedText Run(IEnumerable<(string Name, object? Value)> variables)
    {
        TemplateScope scope = new();
        foreach ((string name, object? value) in variables) scope[name] = value;
        List<MarkedText> output = [];
        try
        {
            _run(scope, output);
        }
        catch (OverflowException)
        {
            throw new TemplateException("computes a number that is too large");
        }
        return MarkedText.Concat(output);
    }

    private Statement Body(params ReadOnlySpan<string> ends)
    {
        if (++_depth > DeepestNesting) throw new TemplateException($"is nested more than {DeepestNesting} deep");
        List<Statement> statements = [];
        while (_parser.Current.Kind != End)
        {
            TemplateToken token = _parser.Take();
            if (token.Kind == Data)
            {
                MarkedText text = MarkedText.Written(token.Text);
                statements.Add((s, output) => Write(s, output, text));
            }
            else if (token.Kind == BeginOutput)
            {
                TemplateExpression value = _parser.Parse();
                _parser.Expect(EndOutput, "}}");
                statements.Add((s, output) => Write(s, output, Text(value(s))));
            }
            else if (token.Kind == BeginBlock)
            {
                // The tag that ends the body belongs to who asked for it.
                if (ends.Contains(_parser.Current.Text)) break;
                statements.Add(Block(_parser.ExpectName()));
            }
            else throw new TemplateException($"has '{token.Text}' where text or a tag is wanted");
        }
        _depth--;
        return (s, output) => statements.ForEach(statement => statement(s, output));
    }

    private static void Write(TemplateScope scope, List<MarkedText> output, MarkedText text)
    {
        scope.Count(1, text.Length);
        output.Add(text);
    }

    private Statement Block(string tag) => tag switch
    {
        "if" => If(),
        "for" => For(),
        "set" => Set(),
        // Marks what a model is trained on, and writes what is inside.
        "generation" => Generation(),
        _ => throw new TemplateException($"has the tag '{tag}', which is not understood"),
    };

    private Statement If()
    {
        TemplateExpression condition = _parser.Parse();
        _parser.Expect(EndBlock, "%}");
        Statement then = Body("elif", "else", "endif"), otherwise = static (_, _) => { };
        if (_parser.Accept(Name, "elif")) otherwise = If();
        else if (_parser.Accept(Name, "else"))
        {
            _parser.Expect(EndBlock, "%}");
            otherwise = Body("endif");
            EndTag("endif");
        }
        else EndTag("endif");
        return (s, output) => (IsTrue(condition(s)) ? then : otherwise)(s, output);
    }

    private Statement For()
    {
        List<string> names = [_parser.ExpectName()];
        while (_parser.Accept(Sign, ",")) names.Add(_parser.ExpectName());
        _parser.Expect(Name, "in");
        TemplateExpression items = _parser.Or();
        TemplateExpression? condition = _parser.Accept(Name, "if") ? _parser.Parse() : null;
        _parser.Expect(EndBlock, "%}");
        Statement body = Body("endfor");
        EndTag("endfor");
        return (s, output) =>
        {
            List<TemplateScope> rounds = [];
            List<object?> chosen = [];
            foreach (object? item in Items(items(s)))
            {
                s.Count(1);
                TemplateScope round = new(s);
                Assign(round, names, item);
                if (condition is not null && !IsTrue(condition(round))) continue;
                rounds.Add(round);
                chosen.Add(item);
            }
            for (int i = 0; i < rounds.Count; i++)
            {
                rounds[i]["loop"] = Loop(chosen, i);
                body(rounds[i], output);
            }
        };
    }

    private static void Assign(TemplateScope scope, List<string> names, object? item)
    {
        if (names.Count == 1)
        {
            scope[names[0]] = item;
            return;
        }
        List<object?> parts = Items(item);
        if (parts.Count != names.Count) throw new TemplateException($"takes {parts.Count} values apart into {names.Count}");
        for (int i = 0; i < names.Count; i++) scope[names[i]] = parts[i];
    }

    private static Dictionary<string, object?> Loop(List<object?> items, int i) => new()
    {
        ["index"] = i + 1L,
        ["index0"] = (long)i,
        ["revindex"] = (long)items.Count - i,
        ["revindex0"] = items.Count - i - 1L,
        ["first"] = i == 0,
        ["last"] = i == items.Count - 1,
        ["length"] = (long)items.Count,
        ["previtem"] = i > 0 ? items[i - 1] : Undefined,
        ["nextitem"] = i + 1 < items.Count ? items[i + 1] : Undefined,
    };

    private Statement Set()
    {
        string name = _parser.ExpectName();
        string? member = _parser.Accept(Sign, ".") ? _parser.ExpectName() : null;
        _parser.Expect(Sign, "=");
        TemplateExpression value = _parser.Parse();
        _parser.Expect(EndBlock, "%}");
        if (member is null) return (s, _) => s[name] = value(s);
        return (s, _) =>
        {
            if (s[name] is not Dictionary<string, object?> map) throw new TemplateException($"sets a part of '{name}', which is {Describe(s[name])}");
            map[member] = value(s);
        };
    }

    private Statement Generation()
    {
        _parser.Expect(EndBlock, "%}");
        Statement body = Body("endgeneration");
        EndTag("endgeneration");
        return body;
    }

    private void EndTag(string tag)
    {
        _parser.Expect(Name, tag);
        _parser.Expect(EndBlock, "%}");
    }
}
