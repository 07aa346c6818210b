using System.Buffers;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Turns a compressed layer of a segment back into rows of a state, on several threads: a head's keys or values of some hundred tokens each.</summary>
internal sealed class LayerDecoding(WorkerTeam team)
{
    private const int TokensAtOnce = 256;

    // What the threads of a call work on.
    private LayerMemory? _layer;
    private Segment? _segment;
    private LayerRows? _rows;
    private bool _transposed;
    private int _cells;
    private byte[] _keys = [];
    private byte[] _values = [];
    private int _next;

    /// <summary>Decodes all tokens of a segment to where their cells are.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="layer">Which of its layers.</param>
    /// <param name="segment">Its cells.</param>
    /// <param name="rows">How the state stores them.</param>
    /// <param name="transposed">Whether values lie number by number.</param>
    /// <param name="cells">Cells of the stream.</param>
    /// <param name="keys">Receives the keys, [cell, number].</param>
    /// <param name="values">Receives the values.</param>
    public void Run(KvCache cache, int layer, Segment segment, LayerRows rows, bool transposed, int cells, byte[] keys, byte[] values)
    {
        (_layer, _segment, _rows, _transposed, _cells, _keys, _values, _next) = (cache.Layers[layer], segment, rows, transposed, cells, keys, values, -1);
        cache.EnterRead();
        try
        {
            team.Run(Work);
        }
        finally
        {
            cache.ExitRead();
        }
    }

    private void Work(int worker)
    {
        int heads = _layer!.Layout.Heads, pieces = (_segment!.Count + TokensAtOnce - 1) / TokensAtOnce;
        int widest = _layer.Layout.Sides.Max(side => side.Dimension) * Math.Min(TokensAtOnce, _segment.Count);
        float[] numbers = ArrayPool<float>.Shared.Rent(widest);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(widest * sizeof(float));
        for (int task; (task = Interlocked.Increment(ref _next)) < pieces * heads * 2;)
        {
            (int piece, int side, int head) = (task / (2 * heads), task / heads % 2, task % heads);
            Decode(side, head, piece * TokensAtOnce, numbers, bytes);
        }

        ArrayPool<float>.Shared.Return(numbers);
        ArrayPool<byte>.Shared.Return(bytes);
    }

    private void Decode(int side, int head, int first, float[] numbers, byte[] bytes)
    {
        int dimension = _layer!.Layout.Sides[side].Dimension, count = Math.Min(TokensAtOnce, _segment!.Count - first);
        GgmlType type = side == 0 ? _rows!.KeyType : _rows!.ValueType;
        Span<float> decoded = numbers.AsSpan(0, count * dimension);
        Span<byte> written = bytes.AsSpan(0, count * dimension * type.BlockBytes);
        LayerReading.Decode(_layer, side, head, first, count, decoded);
        RowConversion.Write(type, decoded, written);
        int at = 0, rowBytes = dimension * type.BlockBytes;
        for (int piece = _segment.PieceOf(first); at < written.Length; piece++)
        {
            (int cell, int cells) = _segment.Pieces[piece];
            int token = _segment.Starts[piece], end = Math.Min(first + count - token, cells);
            for (int i = Math.Max(first - token, 0); i < end; i++, at += rowBytes)
                Place(side, head, cell + i, written.Slice(at, rowBytes), type.BlockBytes);
        }
    }

    private void Place(int side, int head, int cell, ReadOnlySpan<byte> row, int size)
    {
        if (side == 0)
            row.CopyTo(_keys.AsSpan((int)((cell * _rows!.KeyBytes) + (head * row.Length))));
        else if (!_transposed)
            row.CopyTo(_values.AsSpan((int)((cell * _rows!.ValueBytes) + (head * row.Length))));
        else
        {
            int width = row.Length / size;
            for (int i = 0; i < width; i++)
                row.Slice(i * size, size).CopyTo(_values.AsSpan(checked((((head * width) + i) * _cells) + cell) * size));
        }
    }
}
