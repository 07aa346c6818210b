using static Kvant.Models.Generation.Templates.TemplateValue;

namespace Kvant.Models.Generation.Templates;

/// <summary>The filters, tests, methods and functions that chat templates use. What is not here is refused by name, and only when it is reached.</summary>
internal static class TemplateFunctions
{
    internal static object? Filter(string name, object? value, TemplateArguments arguments) => name switch
    {
        "trim" => Text(value).Strip(true, true, arguments.Count > 0 ? PlainText(arguments[0]) : null),
        "length" or "count" => (long)(value is MarkedText text ? text.Length : Items(value).Count),
        "upper" => Text(value).Upper(),
        "lower" => Text(value).Lower(),
        "string" => Text(value),
        "safe" => value,
        "list" => Items(value),
        "first" => Items(value) is [var first, ..] ? first : Undefined,
        "last" => Items(value) is [.., var last] ? last : Undefined,
        "int" => value is MarkedText digits ? (long.TryParse(digits.Text, out long parsed) ? parsed : 0) : Number(value),
        "join" => MarkedText.Join(arguments.Count > 0 ? Text(arguments[0]) : MarkedText.Empty, Items(value).Select(Text)),
        "default" or "d" => value == Undefined || (arguments.Count > 1 && IsTrue(arguments[1]) && !IsTrue(value)) ? (arguments.Count > 0 ? arguments[0] : MarkedText.Empty) : value,
        "replace" => Replace(Text(value), arguments),
        _ => throw new TemplateException($"uses the filter '{name}', which is not understood"),
    };

    internal static bool Test(string name, object? value, TemplateArguments arguments) => name switch
    {
        "defined" => value != Undefined,
        "undefined" => value == Undefined,
        "none" => value is null,
        "string" => value is MarkedText,
        "number" or "integer" => value is long,
        "boolean" => value is bool,
        "mapping" => value is Dictionary<string, object?>,
        "sequence" or "iterable" => value is MarkedText or List<object?> or Dictionary<string, object?>,
        "true" => value is true,
        "false" => value is false,
        "odd" => Number(value) % 2 != 0,
        "even" => Number(value) % 2 == 0,
        "equalto" or "eq" => TemplateValue.Equals(value, arguments[0]),
        "in" => Contains(arguments[0], value),
        _ => throw new TemplateException($"uses the test '{name}', which is not understood"),
    };

    internal static object? Method(object? value, string name, TemplateArguments arguments) => (value, name) switch
    {
        (MarkedText text, "strip") => text.Strip(true, true, Characters(arguments)),
        (MarkedText text, "lstrip") => text.Strip(true, false, Characters(arguments)),
        (MarkedText text, "rstrip") => text.Strip(false, true, Characters(arguments)),
        (MarkedText text, "startswith") => text.Text.StartsWith(PlainText(arguments[0]), StringComparison.Ordinal),
        (MarkedText text, "endswith") => text.Text.EndsWith(PlainText(arguments[0]), StringComparison.Ordinal),
        (MarkedText text, "upper") => text.Upper(),
        (MarkedText text, "lower") => text.Lower(),
        (MarkedText text, "replace") => Replace(text, arguments),
        (MarkedText text, "split") when arguments.Count > 0 && PlainText(arguments[0]).Length > 0 =>
            text.Split(PlainText(arguments[0]), arguments.Count > 1 && Number(arguments[1]) is >= 0 and < int.MaxValue and var most ? (int)most : int.MaxValue).ToList<object?>(),
        (Dictionary<string, object?> map, "get") => map.TryGetValue(PlainText(arguments[0]), out object? found) ? found : arguments.Count > 1 ? arguments[1] : null,
        (Dictionary<string, object?> map, "items") => map.Select(p => (object?)new List<object?> { MarkedText.Written(p.Key), p.Value }).ToList(),
        (Dictionary<string, object?> map, "keys") => Items(map),
        (Dictionary<string, object?> map, "values") => map.Values.ToList(),
        _ => throw new TemplateException($"calls '{name}' of {Describe(value)}, which is not understood"),
    };

    internal static object? Call(string name, TemplateArguments arguments, TemplateScope scope)
    {
        switch (name)
        {
            case "raise_exception":
                throw new TemplateException($"refuses the conversation: {Text(arguments[0])}");
            case "namespace" or "dict":
                return arguments.Named.ToDictionary(static p => p.Key, static p => p.Value);
            case "range":
                (long from, long to) = arguments.Count > 1 ? (Number(arguments[0]), Number(arguments[1])) : (0, Number(arguments[0]));
                if (arguments.Count > 2) break;
                scope.Count((int)Math.Clamp(to - from, 0, int.MaxValue));
                return Enumerable.Range(0, (int)Math.Max(0, to - from)).Select(i => (object?)(from + i)).ToList();
        }
        throw new TemplateException($"calls '{name}', which is not understood");
    }

    private static string? Characters(TemplateArguments arguments) => arguments.Count > 0 ? PlainText(arguments[0]) : null;

    private static MarkedText Replace(MarkedText text, TemplateArguments arguments) => PlainText(arguments[0]) is { Length: > 0 } old
        ? MarkedText.Join(Text(arguments[1]), text.Split(old))
        : throw new TemplateException("replaces nothing by something, which is not understood");
}
