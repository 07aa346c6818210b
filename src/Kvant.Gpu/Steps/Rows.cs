using Kvant.Gpu.Memory;

namespace Kvant.Gpu.Steps;

/// <summary>Rows that a kernel reads: of pages, or of a ring.</summary>
internal readonly record struct Rows
{
    /// <summary>The first row.</summary>
    public required int First { get; init; }

    /// <summary>Behind the last; none where it is not above <see cref="First"/>.</summary>
    public required int End { get; init; }

    /// <summary>The position of row 0.</summary>
    public required int Position { get; init; }

    /// <summary>Rows of the ring; 1 for pages.</summary>
    public int Ring { get; init; } = 1;

    /// <summary>Whether they are sinks.</summary>
    public bool AreSinks { get; init; }

    /// <summary>The pages from that of the first row on; one for a ring.</summary>
    public required IReadOnlyList<(int Slab, long Offset)> Pages { get; init; }

    /// <summary>Rows.</summary>
    public Rows()
    {
    }

    /// <summary>Those of a step of the body that somebody may see.</summary>
    public static Rows Of(StepCopy step, int firstVisible, int sinks)
    {
        const int Page = Launch.PageRows;
        int first = Math.Max(step.First, Math.Min(firstVisible, step.End) / Page * Page);
        return new()
        {
            First = first,
            End = step.End,
            Position = sinks,
            Pages = first < step.End ? [.. Enumerable.Range(first / Page, ((step.End - 1) / Page) - (first / Page) + 1).Select(page => (step.Page(page).Slab, step.Page(page).Offset))] : [],
        };
    }
}
