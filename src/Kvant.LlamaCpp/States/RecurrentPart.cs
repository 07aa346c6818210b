namespace Kvant.LlamaCpp.States;

/// <summary>What recurrent layers keep of a sequence, whatever its length. Its outline is checked, its bytes are kept as they are.</summary>
/// <param name="Offset">Where it begins in the state.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Cells">Sequences that it holds the state of.</param>
/// <param name="Tensors">Tensors of those.</param>
internal sealed record RecurrentPart(long Offset, long Bytes, int Cells, int Tensors) : StatePart
{
    // Of a whole context; a sequence has one, and llama.cpp ends the process where it is given more.
    private const int MostCells = 4096;
    private const int MostLayers = 4096;

    /// <inheritdoc/>
    public override long StateBytes => Bytes;

    /// <summary>Reads the outline of a part that goes to the end of the state.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static RecurrentPart Read(StateReader reader, bool whole)
    {
        long start = reader.Position;
        int cells = reader.Count(Math.Min(whole ? MostCells : 1, reader.Rest / 8), "sequences of recurrent layers");
        for (int cell = 0; cell < cells; cell++)
        {
            if (reader.Int32("recurrent cells") is < -1 or > CellTable.LastPosition)
                throw StateReader.Error($"recurrent cell {cell} has a position that cannot be", reader.Position - sizeof(int));
            int owners = reader.Count(whole ? CellTable.MostSequences : 0, "owners of a recurrent cell");
            for (int i = 0; i < owners; i++)
                _ = reader.Count(CellTable.MostSequences - 1, "as a sequence");
        }

        _ = reader.Count(0, "as the transposition of recurrent states");
        _ = reader.Count(MostLayers, "recurrent layers");
        // Layers of attention have none of these tensors, and which those are is not said: they are followed to the end. There are as many of the first kind as of the second, whose rows are
        // longer or shorter, so that what is cut off between two of them is seen.
        List<long> rows = [];
        while (reader.Rest > 0)
        {
            long at = reader.Position;
            int type = reader.Int32("a recurrent tensor's type");
            long row = reader.Int64("a recurrent tensor's row");
            if (GgmlType.Find(type) is not { } known || known.Numbers(row) < 0)
                throw StateReader.Error($"a recurrent tensor of type {type} with rows of {row} bytes", at);
            reader.Skip(checked(row * cells), "recurrent tensors");
            rows.Add(row);
        }

        int half = rows.Count / 2;
        if (rows.Count % 2 != 0 || half == 0 || rows[0] == rows[^1] || rows.FindIndex(row => row != rows[0]) != half || rows.FindLastIndex(row => row != rows[^1]) != half - 1)
            throw StateReader.Error($"{rows.Count} recurrent tensors that are not half of one kind and half of another", start);
        return new(start, reader.Position - start, cells, rows.Count);
    }
}
