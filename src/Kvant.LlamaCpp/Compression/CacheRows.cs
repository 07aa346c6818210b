using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>A sequence of a context and a cache of Kvant that holds the same tokens: rows go from one to the other.</summary>
internal static class CacheRows
{
    /// <summary>Why a state cannot be a cache as a whole; null if it can.</summary>
    public static string? Misfit(LlamaState state, CacheGeometry geometry)
    {
        if (state.Parts is not [AttentionPart part])
            return "it has more than one cache, or recurrent layers";
        StreamPart[] held = [.. part.Streams.Where(stream => stream.Cells.Count > 0)];
        if (held.Length == 0)
            return null;
        if (held.Length > 1 || held[0].Cells.Runs is not [{ Position: 0 }])
            return "its tokens are not those from position 0 on, one after the other";
        if (part.Layers.Length != geometry.Layers)
            return $"it has {part.Layers.Length} layers; the model has {geometry.Layers}";
        for (int layer = 0; layer < part.Layers.Length; layer++)
        {
            LayerRows rows = part.Layers[layer];
            LayerGeometry shape = geometry[layer];
            if (!rows.IsFloat || rows.KeyWidth != shape.KvHeads * shape.KeyDimension || rows.ValueWidth != shape.KvHeads * shape.ValueDimension)
                return $"layer {layer} has rows of {rows.KeyWidth} and {rows.ValueWidth} numbers as {rows.KeyType} and {rows.ValueType}; floats of {shape.KvHeads} heads of {shape.KeyDimension} and {shape.ValueDimension} are wanted";
        }

        return null;
    }

    /// <summary>Appends the tokens of a state that a cache does not hold yet.</summary>
    /// <param name="state">A state that fits.</param>
    /// <param name="cache">The cache, all layers equally long.</param>
    /// <param name="count">How many tokens of the state count.</param>
    /// <param name="team">Threads that encode.</param>
    /// <exception cref="ArgumentException">A number cannot be stored; then the cache is as it was.</exception>
    public static void Append(LlamaState state, KvCache cache, int count, WorkerTeam team)
    {
        if (state.Parts is not [AttentionPart part] || Array.Find(part.Streams, stream => stream.Cells.Count > 0) is not { } stream || count <= cache.Length)
            return;
        int first = cache.Length, cells = stream.Cells.Count, tokens = Math.Min(count, cells) - first;
        if (tokens <= 0)
            return;
        try
        {
            for (int layer = 0; layer < part.Layers.Length; layer++)
            {
                LayerRows rows = part.Layers[layer];
                byte[] keys = new byte[tokens * rows.KeyBytes], values = new byte[(part.IsTransposed ? cells : tokens) * rows.ValueBytes];
                state.Reader.Read(stream.KeyOffsets[layer] + (first * rows.KeyBytes), keys);
                state.Reader.Read(stream.ValueOffsets[layer] + (part.IsTransposed ? 0 : first * rows.ValueBytes), values);
                ReadOnlySpan<byte> own = values;
                if (part.IsTransposed)
                {
                    byte[] turned = new byte[values.Length];
                    Transposition.Turn(values, rows.ValueWidth, cells, rows.ValueType.BlockBytes, turned);
                    own = turned.AsSpan((int)(first * rows.ValueBytes), (int)(tokens * rows.ValueBytes));
                }

                cache.Append(layer, Rows(rows.KeyType, keys), Rows(rows.ValueType, own), team);
            }
        }
        catch
        {
            cache.Truncate(first);
            throw;
        }
    }

    /// <summary>The outline of the state of a sequence that holds what a cache does.</summary>
    /// <param name="cache">The cache; at least a token.</param>
    /// <param name="streams">Streams of the context.</param>
    /// <param name="keys">Type of its keys.</param>
    /// <param name="values">Type of its values.</param>
    /// <param name="transposed">Whether those are transposed.</param>
    /// <param name="length">Bytes of the state.</param>
    public static AttentionPart Outline(KvCache cache, int streams, GgmlType keys, GgmlType values, bool transposed, out long length)
    {
        var cells = new CellTable();
        cells.Add(cache.Length, 0, [0]);
        LayerRows[] rows = [.. Enumerable.Range(0, cache.Geometry.Layers).Select(layer => cache.Geometry[layer])
            .Select(shape => new LayerRows(keys, (long)shape.KvHeads * shape.KeyDimension * keys.BlockBytes, values, (long)shape.KvHeads * shape.ValueDimension * values.BlockBytes))];
        StreamPart[] all = [new(cells, [], []), .. Enumerable.Range(1, streams - 1).Select(_ => new StreamPart(new CellTable(), [], []))];
        AttentionPart part = new AttentionPart(transposed, rows, all).At(2 * sizeof(int));
        length = (2 * sizeof(int)) + part.StateBytes;
        return part;
    }

    /// <summary>Writes the state of a sequence in memory.</summary>
    public static void Write(KvCache cache, AttentionPart part, int sequence, Stream stream, WorkerTeam team)
    {
        Span<byte> head = stackalloc byte[2 * sizeof(int)];
        BinaryPrimitives.WriteUInt32LittleEndian(head, LlamaState.SequenceMagic);
        BinaryPrimitives.WriteInt32LittleEndian(head[sizeof(int)..], sequence);
        stream.Position = 0;
        stream.Write(head);
        part.WriteOutline(stream, 0, head.Length, sequence);
        int count = cache.Length;
        var segment = new Segment([(0, count)], count, IsConsecutive: true);
        var decoding = new LayerDecoding(team);
        byte[] keys = new byte[count * part.Layers.Max(rows => rows.KeyBytes)], values = new byte[count * part.Layers.Max(rows => rows.ValueBytes)];
        for (int layer = 0; layer < part.Layers.Length; layer++)
        {
            LayerRows rows = part.Layers[layer];
            decoding.Run(cache, layer, segment, rows, part.IsTransposed, count, keys, values);
            stream.Position = part.Streams[0].KeyOffsets[layer];
            stream.Write(keys.AsSpan(0, (int)(count * rows.KeyBytes)));
            stream.Position = part.Streams[0].ValueOffsets[layer];
            stream.Write(values.AsSpan(0, (int)(count * rows.ValueBytes)));
        }
    }

    /// <summary>Rows of a state as a cache takes them.</summary>
    public static TokenRows Rows(GgmlType type, ReadOnlySpan<byte> rows) =>
        type == GgmlType.F32 ? MemoryMarshal.Cast<byte, float>(rows) : type == GgmlType.F16 ? MemoryMarshal.Cast<byte, Half>(rows) : TokenRows.BFloat16(MemoryMarshal.Cast<byte, ushort>(rows));
}
