using System.Buffers.Binary;

namespace Kvant.LlamaCpp.States;

/// <summary>A cache of keys and values: streams of cells, and for each layer rows. Models with sliding windows have two, one behind the other: that of the layers that see everything comes first.</summary>
/// <param name="IsTransposed">Whether values lie number by number instead of cell by cell, as they do without flash attention.</param>
/// <param name="Layers">The layers' types and row sizes; none where no stream has cells.</param>
/// <param name="Streams">The streams; one unless the context keeps sequences apart.</param>
internal sealed record AttentionPart(bool IsTransposed, LayerRows[] Layers, StreamPart[] Streams) : StatePart
{
    /// <summary>Layers of the deepest model that llama.cpp takes (LLAMA_MAX_LAYERS).</summary>
    public const int MostLayers = 512;

    /// <inheritdoc/>
    public override long StateBytes => sizeof(int) + Streams.Sum(stream => sizeof(int) + (stream.Cells.Count == 0 ? 0 : stream.Cells.StateBytes + (2 * sizeof(int)) + RowBytes(stream.Cells.Count)));

    /// <summary>Cells of all streams.</summary>
    public long Cells => Streams.Sum(stream => (long)stream.Cells.Count);

    /// <summary>Reads a cache's outline and passes over its rows.</summary>
    /// <param name="reader">Stands where it begins.</param>
    /// <param name="whole">Whether the state is a whole context's.</param>
    /// <param name="extraBytes">What each cell has beside position and sequences.</param>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static AttentionPart Read(StateReader reader, bool whole, int extraBytes)
    {
        long start = reader.Position;
        int count = reader.Count(Math.Min(CellTable.MostSequences, reader.Rest / sizeof(int)), "streams");
        if (count == 0)
            throw StateReader.Error("a cache without streams", start);
        var streams = new StreamPart[count];
        bool? transposed = null;
        LayerRows[] layers = [];
        for (int s = 0; s < count; s++)
        {
            int cells = reader.Count(reader.Rest / 12, "cells");
            CellTable table = CellTable.Read(reader, cells, whole, extraBytes);
            if (cells == 0)
            {
                streams[s] = new(table, [], []);
                continue;
            }

            long at = reader.Position;
            bool turned = reader.Count(1, "as the transposition of values") == 1;
            int found = reader.Count(Math.Min(MostLayers, reader.Rest / (2 * LayerRows.HeaderBytes)), "layers");
            if (found == 0 || (transposed is not null && (turned != transposed || found != layers.Length)))
                throw StateReader.Error($"stream {s} has {found} layers{(turned ? " with transposed values" : "")}{(transposed is null ? "" : ", unlike the one before")}", at);
            (long[] keys, long[] values, LayerRows[] rows) = ReadRows(reader, cells, found, turned);
            if (transposed is not null && !rows.AsSpan().SequenceEqual(layers))
                throw StateReader.Error($"stream {s} has other rows than the one before", at);
            (transposed, layers, streams[s]) = (turned, rows, new(table, keys, values));
        }

        return new(transposed ?? false, layers, streams);
    }

    /// <summary>Says where everything lies in a state that will have these cells.</summary>
    /// <param name="start">Where the part begins.</param>
    public AttentionPart At(long start)
    {
        long at = start + sizeof(int);
        var placed = new StreamPart[Streams.Length];
        for (int s = 0; s < placed.Length; s++)
        {
            at += sizeof(int);
            CellTable cells = Streams[s].Cells;
            if (cells.Count == 0)
            {
                placed[s] = new(cells, [], []);
                continue;
            }

            at = checked(at + cells.StateBytes + (2 * sizeof(int)));
            placed[s] = new(cells, Offsets(layer => layer.KeyBytes), Offsets(layer => layer.ValueBytes));

            long[] Offsets(Func<LayerRows, long> bytes) => Array.ConvertAll(Layers, layer =>
            {
                long offset = at + LayerRows.HeaderBytes;
                at = checked(offset + (cells.Count * bytes(layer)));
                return offset;
            });
        }

        return this with { Streams = placed };
    }

    /// <summary>Writes everything but rows, each to its place.</summary>
    /// <param name="stream">Receives it, position 0 being that of the state.</param>
    /// <param name="origin">Where the state begins in the stream.</param>
    /// <param name="start">Where the part begins in the state.</param>
    /// <param name="sequence">The sequence that all cells belong to; null for those of the tables.</param>
    public void WriteOutline(Stream stream, long origin, long start, int? sequence)
    {
        Span<byte> number = stackalloc byte[LayerRows.HeaderBytes];
        stream.Position = origin + start;
        Write(number[..4], Streams.Length);
        foreach (StreamPart part in Streams)
        {
            Write(number[..4], part.Cells.Count);
            if (part.Cells.Count == 0)
                continue;
            part.Cells.Write(stream, sequence);
            Write(number[..4], IsTransposed ? 1 : 0);
            Write(number[..4], Layers.Length);
            for (int layer = 0; layer < Layers.Length; layer++)
            {
                LayerRows rows = Layers[layer];
                BinaryPrimitives.WriteInt32LittleEndian(number, rows.KeyType.Id);
                BinaryPrimitives.WriteInt64LittleEndian(number[4..], rows.KeyBytes);
                stream.Position = origin + part.KeyOffsets[layer] - LayerRows.HeaderBytes;
                stream.Write(number);
                BinaryPrimitives.WriteInt32LittleEndian(number, rows.ValueType.Id);
                if (IsTransposed)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(number[4..], rows.ValueType.BlockBytes);
                    BinaryPrimitives.WriteInt32LittleEndian(number[8..], rows.ValueWidth);
                }
                else
                {
                    BinaryPrimitives.WriteInt64LittleEndian(number[4..], rows.ValueBytes);
                }

                stream.Position = origin + part.ValueOffsets[layer] - LayerRows.HeaderBytes;
                stream.Write(number);
            }

            stream.Position = origin + part.ValueOffsets[^1] + (part.Cells.Count * Layers[^1].ValueBytes);
        }

        void Write(Span<byte> place, int value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(place, value);
            stream.Write(place);
        }
    }

    private long RowBytes(int cells) => Layers.Sum(layer => checked((2L * LayerRows.HeaderBytes) + (cells * (layer.KeyBytes + layer.ValueBytes))));

    private static (long[] Keys, long[] Values, LayerRows[] Rows) ReadRows(StateReader reader, int cells, int layers, bool transposed)
    {
        long[] keys = new long[layers], values = new long[layers];
        var keyRows = new (GgmlType Type, long Bytes)[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            keyRows[layer] = RowOf(reader, reader.Int32("a layer's keys"), reader.Int64("a layer's keys"), layer, "keys");
            keys[layer] = reader.Position;
            reader.Skip(checked(cells * keyRows[layer].Bytes), "a layer's keys");
        }

        var rows = new LayerRows[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            int type = reader.Int32("a layer's values");
            (GgmlType Type, long Bytes) value = transposed ? ColumnOf(reader, type, layer) : RowOf(reader, type, reader.Int64("a layer's values"), layer, "values");
            values[layer] = reader.Position;
            reader.Skip(checked(cells * value.Bytes), "a layer's values");
            rows[layer] = new(keyRows[layer].Type, keyRows[layer].Bytes, value.Type, value.Bytes);
        }

        return (keys, values, rows);
    }

    private static (GgmlType Type, long Bytes) RowOf(StateReader reader, int type, long bytes, int layer, string what) =>
        GgmlType.Find(type) is { } known && known.Numbers(bytes) > 0 ? (known, bytes)
            : throw StateReader.Error($"{what} of layer {layer} are of type {type} with rows of {bytes} bytes", reader.Position - LayerRows.HeaderBytes);

    private static (GgmlType Type, long Bytes) ColumnOf(StateReader reader, int type, int layer)
    {
        int size = reader.Int32("a layer's values"), width = reader.Int32("a layer's values");
        return GgmlType.Find(type) is { IsFloat: true } known && known.BlockBytes == size && width is > 0 and <= LayerRows.MostNumbers ? (known, (long)size * width)
            : throw StateReader.Error($"transposed values of layer {layer} are of type {type}, {width} numbers of {size} bytes", reader.Position - LayerRows.HeaderBytes);
    }
}
