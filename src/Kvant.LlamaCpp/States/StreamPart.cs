namespace Kvant.LlamaCpp.States;

/// <summary>A stream of a cache: cells, and where the rows of each layer lie in the state.</summary>
/// <param name="Cells">The cells; a stream without any has nothing else.</param>
/// <param name="KeyOffsets">Where each layer's keys begin, [cell, number].</param>
/// <param name="ValueOffsets">Where each layer's values begin: [cell, number], or [number, cell] where they are transposed.</param>
internal sealed record StreamPart(CellTable Cells, long[] KeyOffsets, long[] ValueOffsets);
