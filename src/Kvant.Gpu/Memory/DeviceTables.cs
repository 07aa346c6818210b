using System.Runtime.InteropServices;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Numerics;
using Kvant.Rotations;

namespace Kvant.Gpu.Memory;

/// <summary>Numbers that kernels look up and all caches share: what codes mean, and how vectors turn from row to row.</summary>
internal sealed class DeviceTables(DeviceMemory memory)
{
    private const int PageRows = RotaryTables.PageRows;
    private const int Levels = 256;

    private readonly Lock _lock = new();
    private readonly List<(float[] Numbers, nint Buffer)> _levels = [];
    private readonly List<(float[] Numbers, nint Buffer)> _codings = [];
    private readonly List<Turning> _turnings = [];

    /// <summary>What codes of keys and of values mean, 256 numbers each.</summary>
    public nint OfLevels(BlockForm keys, BlockForm values)
    {
        float[] numbers = new float[2 * Levels];
        keys.Levels.Span.CopyTo(numbers);
        values.Levels.Span.CopyTo(numbers.AsSpan(Levels));
        return Find(_levels, numbers, "A table of levels");
    }

    /// <summary>What a codec encodes with: signs of its rotation, of the way there and back, with what the way back ends with; its matrices; then levels and thresholds, or what states mean: as floats, and as the search counts.</summary>
    public nint OfCoding(CodingForm coding)
    {
        RotationForm rotation = coding.Rotation;
        float[] codes = coding.Trellis is { } trellis
            ? [.. Enumerable.Range(0, Levels).Select(state => trellis.Integers[TrellisTable.Reversed(state, 8)] * trellis.Step), .. trellis.Levels.Select(level => (float)level)]
            : [.. coding.Levels.Span, .. coding.Thresholds.Span];
        return Find(_codings, [.. rotation.Signs, .. rotation.Back, .. rotation.Last, .. rotation.Matrix, .. rotation.MatrixBack, .. codes], "A table of a codec");
    }

    /// <summary>How pairs turn: [pair, cosine and sine, row of a page], and at the first row of each page [page, cosines then sines], pairs from the fastest on.</summary>
    /// <param name="tables">Their speeds.</param>
    /// <param name="pages">So many pages at least.</param>
    /// <param name="halves">Whether waves are for matrix units: [row of a page, pair, cosine and sine] as halves, then what those leave as halves too.</param>
    public (nint Waves, nint Turns) OfTurning(RotaryTables tables, int pages, bool halves)
    {
        double[] speeds = new double[tables.Count];
        for (int i = 0; i < speeds.Length; i++)
            speeds[i] = tables.Speeds[tables.Order[i]];
        lock (_lock)
        {
            Turning? known = _turnings.Find(turning => turning.Speeds.AsSpan().SequenceEqual(speeds));
            if (known is null)
                _turnings.Add(known = new() { Speeds = speeds });
            if (known.Pages < pages)
            {
                int room = Math.Max(pages, 2 * known.Pages);
                // Somebody may be about to read the shorter one, which stays until the device goes.
                (known.Turns, known.Pages) = (Copy(AtPages(speeds, room), "A table of turns"), room);
            }

            if (halves && known.Halves == 0)
                known.Halves = Copy(WithinAsHalves(speeds), "A table of waves");
            if (!halves && known.Waves == 0)
                known.Waves = Copy(Within(speeds), "A table of waves");
            return (halves ? known.Halves : known.Waves, known.Turns);
        }
    }

    private static float[] Within(double[] speeds)
    {
        float[] waves = new float[2 * speeds.Length * PageRows];
        for (int i = 0; i < speeds.Length * PageRows; i++)
        {
            (int pair, int row) = Math.DivRem(i, PageRows);
            (double sine, double cosine) = PortableMath.SinCos(speeds[pair] * row);
            (waves[(2 * pair * PageRows) + row], waves[(((2 * pair) + 1) * PageRows) + row]) = ((float)cosine, (float)sine);
        }

        return waves;
    }

    private static Half[] WithinAsHalves(double[] speeds)
    {
        int count = 2 * speeds.Length * PageRows;
        var waves = new Half[2 * count];
        for (int i = 0; i < count / 2; i++)
        {
            (int row, int pair) = Math.DivRem(i, speeds.Length);
            (double sine, double cosine) = PortableMath.SinCos(speeds[pair] * row);
            (waves[2 * i], waves[(2 * i) + 1]) = ((Half)cosine, (Half)sine);
            (waves[count + (2 * i)], waves[count + (2 * i) + 1]) = ((Half)(cosine - (double)waves[2 * i]), (Half)(sine - (double)waves[(2 * i) + 1]));
        }

        return waves;
    }

    private static float[] AtPages(double[] speeds, int pages)
    {
        float[] turns = new float[2 * speeds.Length * pages];
        for (int i = 0; i < speeds.Length * pages; i++)
        {
            (int page, int pair) = Math.DivRem(i, speeds.Length);
            (double sine, double cosine) = PortableMath.SinCos(speeds[pair] * ((long)page * PageRows));
            (turns[(2 * page * speeds.Length) + pair], turns[(((2 * page) + 1) * speeds.Length) + pair]) = ((float)cosine, (float)sine);
        }

        return turns;
    }

    // The same numbers are there once.
    private nint Find(List<(float[] Numbers, nint Buffer)> tables, float[] numbers, string what)
    {
        lock (_lock)
        {
            foreach ((float[] known, nint buffer) in tables)
            {
                if (known.AsSpan().SequenceEqual(numbers))
                    return buffer;
            }

            nint made = Copy(numbers, what);
            tables.Add((numbers, made));
            return made;
        }
    }

    private nint Copy<T>(T[] numbers, string what)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(numbers.AsSpan());
        nint buffer = memory.Allocate(bytes.Length, what);
        memory.WriteBuffer(buffer, bytes);
        return buffer;
    }

    private sealed class Turning
    {
        public required double[] Speeds { get; init; }

        public nint Waves { get; set; }

        public nint Halves { get; set; }

        public nint Turns { get; set; }

        public int Pages { get; set; }
    }
}
