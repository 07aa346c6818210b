namespace Kvant.Models.Generation.Templates;

/// <summary>The variables that a part of a template sees, and the limits that all parts share.</summary>
internal sealed class TemplateScope
{
    // What a conversation of a thousand turns needs is far below: these bound what a hostile template can cost, to less than a second.
    private const int MostSteps = 200_000;
    private const int LongestText = 1 << 24;

    private readonly TemplateScope? _outer;
    private readonly Dictionary<string, object?> _values = [];
    private readonly Counter _counter;

    internal TemplateScope(TemplateScope? outer = null)
    {
        _outer = outer;
        _counter = outer?._counter ?? new Counter();
    }

    internal object? this[string name]
    {
        get => _values.TryGetValue(name, out object? value) ? value : _outer is null ? TemplateValue.Undefined : _outer[name];
        set => _values[name] = value;
    }

    /// <summary>Counts work; every loop and every text that is made passes here.</summary>
    internal void Count(int steps, long characters = 0)
    {
        _counter.Steps += steps;
        _counter.Characters += characters;
        if (_counter.Steps > MostSteps || _counter.Characters > LongestText)
            throw new TemplateException($"takes more than {MostSteps} steps or {LongestText} characters");
    }

    private sealed class Counter
    {
        public long Steps { get; set; }

        public long Characters { get; set; }
    }
}
