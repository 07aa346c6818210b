namespace Kvant.Tests.Reference;

/// <summary>
/// The bitshift trellis code in double precision, from its definition: the level of a number is that of the last eight bits of the stream of codes at
/// its place, the newest code on top; before the first code comes the end of the stream. The stream takes the numbers 0, 16, 32, ..., then 1, 17, ...
/// A level is one number by the upper half of the bits, plus one by the lower half, to which the upper one, rotated by one, is added bit by bit, but at four bits; at three bits
/// one by the newest code c, plus one by the bitwise sum of 2 c, the code before, and the code before that without its lowest bit.
/// Viterbi's algorithm finds the nearest path between two given states.
/// </summary>
internal sealed class TrellisReference(sbyte[] first, sbyte[] second, double step, int bits)
{
    private readonly double[] _levels = [.. from upper in Enumerable.Range(0, 16) from lower in Enumerable.Range(0, 16)
        select step * (bits == 3
            ? first[upper / 2] + second[(upper / 2 * 2) ^ (upper % 2 * 4) ^ (lower / 4) ^ (lower % 4 * 2)]
            : first[upper] + second[bits == 4 ? lower : lower ^ (2 * upper % 16) ^ (upper / 8)])];

    /// <summary>The levels of a row's codes, for a scale of 1.</summary>
    public double[] Decode(int[] codes)
    {
        var bitsOfStream = OnPath(codes).SelectMany(c => Enumerable.Range(0, bits).Select(b => (c >> b) & 1)).ToArray();
        return OffPath([.. Enumerable.Range(1, codes.Length).Select(i => _levels[Enumerable.Range(0, 8).Sum(b => bitsOfStream[((i * bits) - 8 + b + bitsOfStream.Length) % bitsOfStream.Length] << b)])]);
    }

    /// <summary>The nearest closed path, as two passes find it: the first, twice around the row, says where the row begins.</summary>
    public int[] Encode(double[] row)
    {
        double[] path = OnPath(row);
        return Codes(Search(path, Search([.. path, .. path], null)[row.Length - 1]));
    }

    /// <summary>A worse way: one pass over the row, free at both ends, says in which state it ends; a path from there to there is closed.</summary>
    public int[] EncodeFromItsEnd(double[] row) => Codes(Search(OnPath(row), Search(OnPath(row), null)[^1]));

    /// <summary>A worse way: a row begins and ends in a state that has nothing to do with it.</summary>
    public int[] EncodeFrom(double[] row, int state) => Codes(Search(OnPath(row), state));

    /// <summary>The squared error of the nearest closed path of all there are; for short rows.</summary>
    public double LeastError(double[] row) => Enumerable.Range(0, 1 << (bits * row.Length))
        .Min(stream => Error(row, Decode([.. Enumerable.Range(0, row.Length).Select(i => (stream >> (i * bits)) & ((1 << bits) - 1))])));

    public static double Error(double[] row, double[] decoded) => row.Zip(decoded).Sum(p => (p.First - p.Second) * (p.First - p.Second));

    private static int[] Path(int length) => [.. Enumerable.Range(0, length).OrderBy(i => i % 16).ThenBy(i => i)];

    private static T[] OnPath<T>(T[] row) => [.. Path(row.Length).Select(i => row[i])];

    private static T[] OffPath<T>(T[] path)
    {
        var row = new T[path.Length];
        foreach ((int at, T value) in Path(path.Length).Zip(path))
            row[at] = value;
        return row;
    }

    private int[] Codes(int[] states) => OffPath<int>([.. states.Select(state => state >> (8 - bits))]);

    // The states of the best path that begins and ends in a state, or anywhere.
    private int[] Search(double[] row, int? start)
    {
        double[] cost = [.. Enumerable.Range(0, 256).Select(s => start is null || s == start ? 0.0 : double.PositiveInfinity)];
        var from = new int[row.Length][];
        for (int i = 0; i < row.Length; i++)
        {
            double[] next = new double[256];
            from[i] = new int[256];
            for (int to = 0; to < next.Length; to++)
            {
                // The states whose newer bits are the older ones of this.
                int first = (to << bits) & 255, nearest = first;
                for (int state = first + 1; state < first + (1 << bits); state++)
                {
                    if (cost[state] < cost[nearest])
                        nearest = state;
                }

                next[to] = cost[nearest] + ((row[i] - _levels[to]) * (row[i] - _levels[to]));
                from[i][to] = nearest;
            }

            cost = next;
        }

        var states = new int[row.Length];
        int last = start ?? Array.IndexOf(cost, cost.Min());
        for (int i = row.Length - 1; i >= 0; i--)
            (states[i], last) = (last, from[i][last]);
        return states;
    }
}
