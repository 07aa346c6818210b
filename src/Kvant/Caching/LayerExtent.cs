namespace Kvant.Caching;

/// <summary>Where the tokens of a layer are. Rows are counted from the end of the sinks.</summary>
/// <param name="Length">Tokens, evicted ones counted.</param>
/// <param name="BodyRows">Rows that left the window for the body: whole blocks.</param>
/// <param name="FirstLive">The position of the first token beside the sinks that lives.</param>
/// <param name="CutRows">Rows behind the body that were decoded from a block that was cut. That block stays in its place until it is closed
/// again, so that these rows keep their codes then, unless it is <paramref name="Lost"/>.</param>
/// <param name="Evicted">In a layer with a sliding window, whether a caller or a rule wanted the last token before the first living one to be forgotten, so that nobody misses it
/// when a cut moves the window back. False where the window forgot it, or nothing is forgotten.</param>
/// <param name="Lost">Whether the block that was cut was one of an older step (<see cref="LayerLayout.Steps"/>): its codes are of no use to the newest, which closes it.</param>
internal readonly record struct LayerExtent(int Length, int BodyRows, int FirstLive, int CutRows, bool Evicted = false, bool Lost = false)
{
    /// <summary>Where the older steps of the body end.</summary>
    public StepEnds Older { get; init; }

    /// <summary>The row behind the last of a step; the newest, step 0, ends with the body.</summary>
    public int End(int step) => step == 0 ? BodyRows : step > StepEnds.Count ? 0 : Older[step - 1];

    /// <summary>Whether the block behind the body is the one that was cut.</summary>
    public bool KeepsCut => CutRows > 0 && !Lost;

    /// <summary>The same with other ends.</summary>
    public LayerExtent With(StepEnds older) => this with { Older = older };
}
