using System.Globalization;

namespace Kvant.Models.Generation.Templates;

/// <summary>
/// What the values of a template mean: null (none), <see cref="Undefined"/>, bool, long, <see cref="MarkedText"/>, lists, and mappings of names.
/// </summary>
internal static class TemplateValue
{
    internal static object Undefined { get; } = new();

    internal static bool IsTrue(object? value) => value switch
    {
        null => false,
        bool yes => yes,
        long number => number != 0,
        MarkedText text => text.Length > 0,
        List<object?> list => list.Count > 0,
        Dictionary<string, object?> map => map.Count > 0,
        _ => value != Undefined,
    };

    internal static MarkedText Text(object? value) => value switch
    {
        MarkedText text => text,
        bool yes => MarkedText.Written(yes ? "True" : "False"),
        long number => MarkedText.Written(number.ToString(CultureInfo.InvariantCulture)),
        null => MarkedText.Written("None"),
        _ when value == Undefined => MarkedText.Empty,
        _ => throw new TemplateException("writes a list or a mapping, which is not understood"),
    };

    internal static string PlainText(object? value) => value is MarkedText text ? text.Text : throw new TemplateException($"has {Describe(value)} where a text is wanted");

    internal static long Number(object? value) => value switch
    {
        long number => number,
        bool yes => yes ? 1 : 0,
        _ => throw new TemplateException($"has {Describe(value)} where a number is wanted"),
    };

    internal static List<object?> Items(object? value) => value switch
    {
        List<object?> list => list,
        Dictionary<string, object?> map => [.. map.Keys.Select(MarkedText.Written)],
        MarkedText text => [.. Enumerable.Range(0, text.Length).Select(i => text.Slice(i, 1))],
        _ => throw new TemplateException($"goes through {Describe(value)}"),
    };

    internal static new bool Equals(object? a, object? b) => (a, b) switch
    {
        (MarkedText x, MarkedText y) => x.Text == y.Text,
        (long or bool, long or bool) => Number(a) == Number(b),
        (List<object?> x, List<object?> y) => x.Count == y.Count && x.Zip(y).All(p => Equals(p.First, p.Second)),
        _ => ReferenceEquals(a, b),
    };

    internal static int Compare(object? a, object? b) => a is MarkedText x && b is MarkedText y ? string.CompareOrdinal(x.Text, y.Text) : Number(a).CompareTo(Number(b));

    internal static bool Contains(object? container, object? item) => container switch
    {
        MarkedText text => text.Text.Contains(PlainText(item), StringComparison.Ordinal),
        Dictionary<string, object?> map => item is MarkedText key && map.ContainsKey(key.Text),
        List<object?> list => list.Exists(i => Equals(i, item)),
        _ => throw new TemplateException($"looks for something in {Describe(container)}"),
    };

    internal static object? Add(object? a, object? b) => (a, b) switch
    {
        (MarkedText x, MarkedText y) => x.Plus(y),
        (List<object?> x, List<object?> y) => (List<object?>)[.. x, .. y],
        _ => checked(Number(a) + Number(b)),
    };

    /// <summary>An entry of a list, a character of a text or a value of a mapping.</summary>
    internal static object? Index(object? container, object? index)
    {
        switch (container)
        {
            case Dictionary<string, object?> map:
                return map.TryGetValue(PlainText(index), out object? value) ? value : Undefined;
            case List<object?> or MarkedText when index is long:
                List<object?> items = Items(container);
                long at = Number(index) is < 0 and var fromEnd ? items.Count + fromEnd : Number(index);
                return at >= 0 && at < items.Count ? items[(int)at] : Undefined;
            case List<object?> or MarkedText:
                return Undefined;
            default:
                throw new TemplateException($"asks for a part of {Describe(container)}");
        }
    }

    internal static object? Slice(object? container, object? first, object? last, object? step)
    {
        int count = container is MarkedText text ? text.Length : Items(container).Count, stride = step is null ? 1 : (int)Math.Clamp(Number(step), -1 << 30, 1 << 30);
        if (stride == 0) throw new TemplateException("cuts in steps of 0");
        int from = Clamp(first, stride > 0 ? 0 : count - 1), to = last is null && stride < 0 ? -1 : Clamp(last, count);
        if (container is MarkedText whole)
            return stride == 1 ? whole.Slice(from, Math.Max(0, to - from)) : throw new TemplateException("cuts a text in steps, which is not understood");
        List<object?> items = Items(container), part = [];
        for (long i = from; stride > 0 ? i < to : i > to; i += stride) part.Add(items[(int)i]);
        return part;

        int Clamp(object? value, int otherwise)
        {
            if (value is null) return otherwise;
            long number = Number(value);
            return (int)Math.Clamp(number < 0 ? number + count : number, stride > 0 ? 0 : -1, stride > 0 ? count : count - 1);
        }
    }

    internal static string Describe(object? value) => value switch
    {
        null => "none",
        bool => "a truth value",
        long => "a number",
        MarkedText => "a text",
        List<object?> => "a list",
        Dictionary<string, object?> => "a mapping",
        _ => value == Undefined ? "something undefined" : "a function",
    };
}
