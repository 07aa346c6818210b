namespace Kvant.Models.Generation.Templates;

/// <summary>The arguments of a filter, test, method or function: some by place, some by name.</summary>
internal sealed record TemplateArguments(IReadOnlyList<object?> Placed, IReadOnlyDictionary<string, object?> Named)
{
    internal static TemplateArguments None { get; } = new([], new Dictionary<string, object?>());

    internal int Count => Placed.Count;

    internal object? this[int index] => index < Placed.Count ? Placed[index] : throw new TemplateException("calls something with too few arguments");
}
