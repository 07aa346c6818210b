using System.Buffers.Binary;

namespace Kvant.LlamaCpp.States;

/// <summary>Which tokens lie in the cells of a stream: runs, in the order of the cells. A table takes as much memory as its state says, never what it claims.</summary>
internal sealed class CellTable
{
    /// <summary>The highest position that is believed: far beyond any context, and nothing that is added to it overflows.</summary>
    public const int LastPosition = 1 << 30;

    /// <summary>Sequences of llama.cpp are numbered below this.</summary>
    public const int MostSequences = 256;

    private readonly List<CellRun> _runs = [];
    private readonly List<int[]> _sets = [];
    private readonly Dictionary<int[], int> _numbers = new(SequenceSet.Comparer);

    /// <summary>Cells in all.</summary>
    public int Count { get; private set; }

    /// <summary>The runs, in the order of the cells.</summary>
    public IReadOnlyList<CellRun> Runs => _runs;

    /// <summary>The sets of sequences that runs name by their number; ascending in each.</summary>
    public IReadOnlyList<int[]> Sets => _sets;

    /// <summary>Bytes of the table in a state.</summary>
    public long StateBytes => _runs.Sum(run => run.Count * ((2L * sizeof(int)) + (sizeof(int) * (long)_sets[run.Set].Length)));

    /// <summary>Adds cells behind the others.</summary>
    /// <exception cref="FormatException">A position or a sequence is none, or there are too many cells.</exception>
    public void Add(int count, int position, ReadOnlySpan<int> sequences)
    {
        if (position < 0 || count < 1 || count > LastPosition - position || count > int.MaxValue - Count)
            throw new FormatException($"{count} cells from position {position} on cannot be");
        int set = _runs.Count > 0 && _sets[_runs[^1].Set].AsSpan().SequenceEqual(sequences) ? _runs[^1].Set : NumberOf(sequences);
        if (_runs.Count > 0 && _runs[^1] is var last && last.Set == set && last.End == position)
            _runs[^1] = last with { Count = last.Count + count };
        else
            _runs.Add(new(count, position, set));
        Count += count;
    }

    /// <summary>Reads the table of a stream.</summary>
    /// <param name="reader">Stands behind the number of cells.</param>
    /// <param name="count">That number.</param>
    /// <param name="whole">Whether the state is a whole context's, where a cell may belong to several sequences.</param>
    /// <param name="extraBytes">What stands in each cell beside its position and sequences: none in any state that is taken.</param>
    /// <exception cref="InvalidDataException">The cells are none that llama.cpp writes.</exception>
    public static CellTable Read(StateReader reader, int count, bool whole, int extraBytes)
    {
        var table = new CellTable();
        Span<int> sequences = stackalloc int[MostSequences];
        for (int cell = 0; cell < count; cell++)
        {
            long start = reader.Position;
            int position = reader.Int32("cells"), owners = reader.Int32("cells");
            if (owners < 1 || owners > (whole ? MostSequences : 1))
                throw StateReader.Error($"cell {cell} belongs to {owners} sequences; {(whole ? $"1 to {MostSequences} are" : "1 is")} possible", start);
            reader.Skip(extraBytes, "cells");
            for (int i = 0; i < owners; i++)
                sequences[i] = reader.Int32("cells");
            try
            {
                table.Add(1, position, sequences[..owners]);
            }
            catch (FormatException refused)
            {
                throw StateReader.Error($"cell {cell}: {refused.Message}", start);
            }
        }

        return table.FirstTwice() is not { } twice ? table : throw StateReader.Error($"two cells hold position {twice.Position} of sequence {twice.Sequence}", reader.Position);
    }

    /// <summary>Writes the table as a state has it.</summary>
    /// <param name="stream">Receives it.</param>
    /// <param name="sequence">The sequence that all cells belong to; null for those of the table.</param>
    public void Write(Stream stream, int? sequence)
    {
        byte[] cell = new byte[sizeof(int) * (2 + MostSequences)];
        foreach (CellRun run in _runs)
        {
            int[] owners = sequence is { } one ? [one] : _sets[run.Set];
            BinaryPrimitives.WriteInt32LittleEndian(cell.AsSpan(sizeof(int)), owners.Length);
            for (int i = 0; i < owners.Length; i++)
                BinaryPrimitives.WriteInt32LittleEndian(cell.AsSpan((2 + i) * sizeof(int)), owners[i]);
            for (int i = 0; i < run.Count; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(cell, run.Position + i);
                stream.Write(cell.AsSpan(0, (2 + owners.Length) * sizeof(int)));
            }
        }
    }

    /// <summary>A position that a sequence has twice, which llama.cpp never writes; null if there is none.</summary>
    public (int Sequence, int Position)? FirstTwice()
    {
        List<(int Sequence, int Position, int End)> spans = [];
        foreach (CellRun run in _runs)
            spans.AddRange(_sets[run.Set].Select(sequence => (sequence, run.Position, run.End)));
        spans.Sort();
        for (int i = 1; i < spans.Count; i++)
        {
            if (spans[i].Sequence == spans[i - 1].Sequence && spans[i].Position < spans[i - 1].End)
                return (spans[i].Sequence, spans[i].Position);
        }

        return null;
    }

    private int NumberOf(ReadOnlySpan<int> sequences)
    {
        for (int i = 0; i < sequences.Length; i++)
        {
            if (sequences[i] is < 0 or >= MostSequences || (i > 0 && sequences[i] <= sequences[i - 1]))
                throw new FormatException($"sequences {string.Join(", ", sequences.ToArray())} are not ascending numbers from 0 to {MostSequences - 1}");
        }

        int[] set = sequences.ToArray();
        if (_numbers.TryGetValue(set, out int number))
            return number;
        _numbers.Add(set, _sets.Count);
        _sets.Add(set);
        return _sets.Count - 1;
    }
}
