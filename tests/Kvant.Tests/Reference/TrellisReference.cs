namespace Kvant.Tests.Reference;

/// <summary>
/// The bitshift trellis code in double precision, from its definition: the level of a number is that of the last eight bits of the stream of codes at
/// its place; before the first code comes the end of the stream. Viterbi's algorithm finds the nearest path between two given states.
/// </summary>
/// <param name="levels">256 levels; the index is the state, its newest code on top.</param>
/// <param name="bits">Bits of a code.</param>
internal sealed class TrellisReference(double[] levels, int bits)
{
    /// <summary>The levels of a row's codes, for a scale of 1.</summary>
    public double[] Decode(int[] codes)
    {
        var bitsOfStream = codes.SelectMany(c => Enumerable.Range(0, bits).Select(b => (c >> b) & 1)).ToArray();
        return [.. Enumerable.Range(1, codes.Length).Select(i => levels[Enumerable.Range(0, 8).Sum(b => bitsOfStream[((i * bits) - 8 + b + bitsOfStream.Length) % bitsOfStream.Length] << b)])];
    }

    /// <summary>The nearest closed path, as two passes find it: the first, twice around the row, says where the row begins.</summary>
    public int[] Encode(double[] row)
    {
        double[] twice = [.. row, .. row];
        int start = Search(twice, null)[row.Length - 1];
        return [.. Search(row, start).Select(state => state >> (8 - bits))];
    }

    /// <summary>A worse way: one pass over the row, free at both ends, says in which state it ends; a path from there to there is closed.</summary>
    public int[] EncodeFromItsEnd(double[] row) => [.. Search(row, Search(row, null)[^1]).Select(state => state >> (8 - bits))];

    /// <summary>A worse way: every row begins and ends in state 0.</summary>
    public int[] EncodeFromZero(double[] row) => [.. Search(row, 0).Select(state => state >> (8 - bits))];

    /// <summary>The squared error of the nearest closed path of all there are; for short rows.</summary>
    public double LeastError(double[] row) => Enumerable.Range(0, 1 << (bits * row.Length))
        .Min(stream => Error(row, Decode([.. Enumerable.Range(0, row.Length).Select(i => (stream >> (i * bits)) & ((1 << bits) - 1))])));

    public static double Error(double[] row, double[] decoded) => row.Zip(decoded).Sum(p => (p.First - p.Second) * (p.First - p.Second));

    // The states of the best path that begins and ends in a state, or anywhere.
    private int[] Search(double[] row, int? start)
    {
        double[] cost = [.. Enumerable.Range(0, 256).Select(s => start is null || s == start ? 0.0 : double.PositiveInfinity)];
        var from = new int[row.Length, 256];
        for (int i = 0; i < row.Length; i++)
        {
            double[] next = [.. Enumerable.Repeat(double.PositiveInfinity, 256)];
            for (int state = 0; state < 256; state++)
            {
                for (int code = 0; code < 1 << bits; code++)
                {
                    int to = (state >> bits) | (code << (8 - bits));
                    double reached = cost[state] + ((row[i] - levels[to]) * (row[i] - levels[to]));
                    if (reached < next[to])
                        (next[to], from[i, to]) = (reached, state);
                }
            }

            cost = next;
        }

        var states = new int[row.Length];
        int last = start ?? Array.IndexOf(cost, cost.Min());
        for (int i = row.Length - 1; i >= 0; i--)
            (states[i], last) = (last, from[i, last]);
        return states;
    }
}
