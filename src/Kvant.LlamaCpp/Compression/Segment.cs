using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Cells of a stream that one cache holds, in the order of their tokens.</summary>
/// <param name="Pieces">Where the tokens lie: first cell and number of cells.</param>
/// <param name="Count">Cells in all.</param>
/// <param name="IsConsecutive">Whether each token is the next of the same sequences, so that positions turn keys as the rows' numbers do.</param>
internal sealed record Segment((int Cell, int Count)[] Pieces, int Count, bool IsConsecutive)
{
    /// <summary>Tokens that are worth a cache of their own: twice what codecs learn from.</summary>
    public const int LeastTokens = 256;

    /// <summary>The number of each piece's first token.</summary>
    public int[] Starts { get; } = StartsOf(Pieces);

    /// <summary>The piece that holds a token.</summary>
    public int PieceOf(int token) => Array.BinarySearch(Starts, token) is >= 0 and var piece ? piece : ~Array.BinarySearch(Starts, token) - 1;

    /// <summary>
    /// Splits a stream. Cells are sorted by their sequences and then their positions; stretches without a gap that are long enough stand alone, all others
    /// together behind them. It is part of the format: a reader finds the same segments.
    /// </summary>
    public static List<Segment> Of(CellTable cells)
    {
        var places = new (int Cell, CellRun Run)[cells.Runs.Count];
        for (int i = 0, cell = 0; i < places.Length; cell += cells.Runs[i].Count, i++)
            places[i] = (cell, cells.Runs[i]);
        // No sequence has a position twice, so no two are equal.
        Array.Sort(places, (a, b) => a.Run.Set != b.Run.Set
            ? SequenceSet.Comparer.Compare(cells.Sets[a.Run.Set], cells.Sets[b.Run.Set]) : a.Run.Position.CompareTo(b.Run.Position));
        List<Segment> segments = [];
        List<(int Cell, int Count)> rest = [];
        for (int first = 0, end; first < places.Length; first = end)
        {
            int tokens = places[first].Run.Count;
            for (end = first + 1; end < places.Length && places[end].Run.Set == places[first].Run.Set && places[end].Run.Position == places[end - 1].Run.End; end++)
                tokens += places[end].Run.Count;
            var pieces = places[first..end].Select(place => (place.Cell, place.Run.Count));
            if (tokens >= LeastTokens || (first == 0 && end == places.Length))
                segments.Add(new([.. pieces], tokens, IsConsecutive: true));
            else
                rest.AddRange(pieces);
        }

        if (rest.Count > 0)
            segments.Add(new([.. rest], rest.Sum(piece => piece.Count), IsConsecutive: false));
        return segments;
    }

    private static int[] StartsOf((int Cell, int Count)[] pieces)
    {
        int[] starts = new int[pieces.Length];
        for (int i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + pieces[i - 1].Count;
        return starts;
    }

    /// <summary>Puts rows of cells in the order of the tokens; no copy where that is their order already.</summary>
    public ReadOnlySpan<byte> Gather(ReadOnlySpan<byte> rows, int rowBytes, ref byte[] buffer)
    {
        if (Pieces is [(var only, var all)])
            return rows.Slice(only * rowBytes, all * rowBytes);
        if (buffer.Length < Count * rowBytes)
            buffer = new byte[Count * rowBytes];
        int at = 0;
        foreach ((int cell, int count) in Pieces)
        {
            rows.Slice(cell * rowBytes, count * rowBytes).CopyTo(buffer.AsSpan(at));
            at += count * rowBytes;
        }

        return buffer.AsSpan(0, at);
    }
}
