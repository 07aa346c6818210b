using System.Text;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Writes a state from its compressed form, a layer at a time, each to its place.</summary>
internal sealed class StateRestoring(LlamaStateFile file, StateTarget target, CancellationToken cancellation)
{
    private readonly StateHeader _header = file.Header;
    private byte[] _keys = [];
    private byte[] _values = [];
    private byte[] _converted = [];

    /// <summary>Bytes that will come of it.</summary>
    public long Length()
    {
        long length = Head().Length;
        foreach (StatePart part in _header.Parts)
            length = checked(length + Wanted(part).StateBytes);
        return length;
    }

    /// <summary>Restores, or, without a destination, reads and checks all that would be.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or does not fit the target.</exception>
    public void Run(Stream source, Stream? destination, int threads, IProgress<double>? done)
    {
        byte[] head = Head();
        long length = Length(), origin = destination?.Position ?? 0, start = head.Length, passed = 0;
        destination?.Write(head);
        using var team = new WorkerTeam(threads);
        using var pool = new PagePool();
        foreach (StatePart saved in _header.Parts)
        {
            StatePart part = Wanted(saved);
            if (part is RecurrentPart recurrent)
            {
                WriteAt(destination, origin + start, ReadRecurrent(source, recurrent));
            }
            else if (part is AttentionPart attention)
            {
                attention = attention.At(start);
                foreach (StreamPart stream in attention.Streams.Where(stream => stream.Cells.Count > 0))
                    Restore(source, destination, origin, (AttentionPart)saved, attention, stream, pool, team, bytes => done?.Report((double)(passed += bytes) / length));
                // What a header claims takes no room in a destination before its rows were there.
                if (destination is not null)
                    attention.WriteOutline(destination, origin, start, file.IsWhole ? null : target.Sequence);
            }

            start += part.StateBytes;
        }

        _ = Frames.Read(source, file.Name, [FrameKind.End], 0);
        if (destination is not null)
            destination.Position = origin + length;
        done?.Report(1);
    }

    private StatePart Wanted(StatePart part) => part is AttentionPart attention ? target.Of(attention, file.IsWhole) : part;

    // Nothing of it is decoded, but what stands there is what the header says, or llama.cpp would be told something else.
    private byte[] ReadRecurrent(Stream source, RecurrentPart wanted)
    {
        byte[] bytes = Frames.Read(source, file.Name, [FrameKind.Recurrent], wanted.Bytes).Bytes;
        RecurrentPart found = RecurrentPart.Read(new StateReader(new MemoryStream(bytes)), file.IsWhole);
        Require(found with { Offset = wanted.Offset } == wanted, $"a recurrent part of {found.Bytes} bytes, {found.Cells} sequences and {found.Tensors} tensors; {wanted.Bytes}, {wanted.Cells} and {wanted.Tensors} are wanted");
        return bytes;
    }

    private byte[] Head()
    {
        using var head = new MemoryStream();
        using var writer = new BinaryWriter(head);
        if (!target.InMemory && _header.Kind is LlamaStateKind.SequenceFile or LlamaStateKind.SessionFile)
        {
            bool whole = file.IsWhole;
            writer.Write(whole ? LlamaState.SessionFileMagic : LlamaState.SequenceFileMagic);
            writer.Write(whole ? LlamaState.SessionFileVersion : LlamaState.SequenceFileVersion);
            writer.Write(_header.Tokens.Length);
            foreach (int token in _header.Tokens)
                writer.Write(token);
        }
        else if (!file.IsWhole)
        {
            writer.Write(LlamaState.SequenceMagic);
            writer.Write(target.Sequence ?? _header.Sequence);
        }

        if (file.IsWhole)
        {
            writer.Write(_header.Architecture!.Length);
            writer.Write(Encoding.ASCII.GetBytes(_header.Architecture));
        }

        return head.ToArray();
    }

    private void Restore(Stream source, Stream? destination, long origin, AttentionPart saved, AttentionPart part, StreamPart stream, PagePool pool, WorkerTeam team, Action<long> passed)
    {
        int[] floats = [.. StateCompression.FloatLayers(saved)];
        LayerRows[] rows = [.. floats.Select(layer => saved.Layers[layer])];
        List<SegmentCache> segments = floats.Length == 0 ? [] : Segment.Of(stream.Cells).ConvertAll(segment =>
            SegmentCache.Read(segment, Frames.Read(source, file.Name, [FrameKind.Cache], SegmentCache.MostHeaderBytes).Bytes, rows, file.Name));
        var decoding = new LayerDecoding(team);
        int cells = stream.Cells.Count, number = 0;
        for (int layer = 0; layer < part.Layers.Length; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            LayerRows wanted = part.Layers[layer];
            long keyBytes = cells * wanted.KeyBytes, valueBytes = cells * wanted.ValueBytes;
            Require(keyBytes <= Array.MaxLength && valueBytes <= Array.MaxLength, $"{cells} cells with rows of {wanted.KeyBytes} and {wanted.ValueBytes} bytes in a layer");
            ReadLayer(source, saved.Layers[layer], wanted, saved.IsTransposed, part.IsTransposed, cells, segments, ref number, pool, decoding);
            WriteAt(destination, origin + stream.KeyOffsets[layer], _keys.AsSpan(0, (int)keyBytes));
            WriteAt(destination, origin + stream.ValueOffsets[layer], _values.AsSpan(0, (int)valueBytes));
            passed(keyBytes + valueBytes);
        }
    }

    private void ReadLayer(Stream source, LayerRows saved, LayerRows wanted, bool wasTransposed, bool transposed, int cells, List<SegmentCache> segments, ref int number, PagePool pool, LayerDecoding decoding)
    {
        int index = saved.IsFloat ? number++ : -1;
        long raw = cells * (saved.KeyBytes + saved.ValueBytes);
        FrameKind[] kinds = saved.IsFloat ? [FrameKind.Layer, FrameKind.Rows] : [FrameKind.Rows];
        (FrameKind kind, byte[] bytes) = Frames.Read(source, file.Name, kinds, saved.IsFloat ? Math.Max(raw, segments[0].LayerBytes(index)) : raw);
        // Bytes are there before the rows that they become take memory.
        if (kind == FrameKind.Rows)
        {
            Require(bytes.Length == raw, $"rows of {bytes.Length} bytes; {raw} are wanted");
            ReadRows(bytes, saved, wanted, wasTransposed, transposed, cells);
            return;
        }

        byte[][] layers = new byte[segments.Count][];
        layers[0] = bytes;
        for (int s = 1; s < layers.Length; s++)
            layers[s] = Frames.Read(source, file.Name, [FrameKind.Layer], segments[s].LayerBytes(index)).Bytes;
        for (int s = 0; s < layers.Length; s++)
        {
            using KvCache cache = segments[s].Read(index, layers[s], pool, file.Name);
            if (s == 0)
                Reserve(cells, wanted);
            decoding.Run(cache, 0, segments[s].Segment, wanted, transposed, cells, _keys, _values);
        }
    }

    // What was kept as it was is other numbers of the same type, or the same in another order, where the context wants that.
    private void ReadRows(byte[] bytes, LayerRows saved, LayerRows wanted, bool wasTransposed, bool transposed, int cells)
    {
        Reserve(cells, wanted);
        ReadOnlySpan<byte> keys = bytes.AsSpan(0, (int)(cells * saved.KeyBytes)), values = bytes.AsSpan(keys.Length);
        RowConversion.Convert(saved.KeyType, keys, wanted.KeyType, _keys);
        if (wasTransposed == transposed)
        {
            RowConversion.Convert(saved.ValueType, values, wanted.ValueType, _values);
            return;
        }

        _converted = _converted.Length < _values.Length ? new byte[_values.Length] : _converted;
        RowConversion.Convert(saved.ValueType, values, wanted.ValueType, _converted);
        (int rows, int columns) = wasTransposed ? (wanted.ValueWidth, cells) : (cells, wanted.ValueWidth);
        Transposition.Turn(_converted.AsSpan(0, (int)(cells * wanted.ValueBytes)), rows, columns, wanted.ValueType.BlockBytes, _values);
    }

    private void Reserve(int cells, LayerRows rows)
    {
        if (_keys.Length < cells * rows.KeyBytes)
            _keys = new byte[cells * rows.KeyBytes];
        if (_values.Length < cells * rows.ValueBytes)
            _values = new byte[cells * rows.ValueBytes];
    }

    private static void WriteAt(Stream? destination, long position, ReadOnlySpan<byte> bytes)
    {
        if (destination is null)
            return;
        destination.Position = position;
        destination.Write(bytes);
    }

    private void Require(bool condition, string message)
    {
        if (!condition)
            throw new InvalidDataException($"{file.Name}: {message}");
    }
}
