namespace Kvant.LlamaCpp.States;

/// <summary>Neighboring cells that hold neighboring tokens of the same sequences.</summary>
/// <param name="Count">Cells, at least 1.</param>
/// <param name="Position">That of the first.</param>
/// <param name="Set">The number of the set of sequences in the table.</param>
internal readonly record struct CellRun(int Count, int Position, int Set)
{
    /// <summary>The position behind the last.</summary>
    public int End => Position + Count;
}
