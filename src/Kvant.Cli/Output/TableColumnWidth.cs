namespace Kvant.Cli.Output;

/// <summary>How wide a column of a table may be.</summary>
/// <param name="Index">Its place among the table's columns.</param>
/// <param name="Least">The longest word.</param>
/// <param name="Most">The longest line.</param>
/// <param name="IsNumber">Whether it holds numbers; columns before the first of those name the rows.</param>
/// <param name="IsMinor">Whether it may be left out.</param>
internal sealed record TableColumnWidth(int Index, int Least, int Most, bool IsNumber, bool IsMinor)
{
    /// <summary>What a layout chose.</summary>
    public int Width { get; init; }
}
