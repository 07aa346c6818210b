using System.Buffers.Binary;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Caching;

/// <summary>A cache as bytes: a header and what is stored, each followed by its checksum. docs/formats/frozen-cache.md describes it.</summary>
internal static class FrozenCache
{
    // Without a pool of the caller's, whose limit counts, a file may ask for this much and this much per byte of its own: room for a window
    // and a page of each layer, of which a short sequence fills little.
    private const long AllowedBytes = 2L << 30;
    private const long AllowedPerByte = 1024;

    private enum PartKind
    {
        State,
        Sinks,
        Body,
        Window,
    }

    /// <summary>Writes a cache.</summary>
    public static void Write(KvCacheOptions options, LayerMemory[] layers, Stream stream)
    {
        stream.Write(FrozenHeader.Write(options, Array.ConvertAll(layers, l => l.Extent), layers.Sum(l => PayloadBytes(l.Layout, l.Extent))));
        uint checksum = 0;
        foreach (LayerMemory layer in layers)
        {
            foreach (Part part in Parts(layer))
            {
                ReadOnlySpan<byte> bytes = BytesOf(layer, part);
                checksum = Crc32C.Append(checksum, bytes);
                stream.Write(bytes);
            }
        }

        Span<byte> end = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(end, checksum);
        stream.Write(end);
    }

    /// <summary>Checks that the content is as long as the header says, and undamaged.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public static void RequireIntact(FrozenHeader header, ReadOnlySpan<byte> bytes)
    {
        if (header.PayloadBytes != bytes.Length - header.End - sizeof(uint))
            throw new InvalidDataException($"The header promises {header.PayloadBytes} bytes of content at byte {header.End}; {bytes.Length - header.End} follow, checksum included.");
        uint wanted = BinaryPrimitives.ReadUInt32LittleEndian(bytes[^sizeof(uint)..]), found = Crc32C.Compute(bytes[header.End..^sizeof(uint)]);
        if (found != wanted)
            throw new InvalidDataException($"The content from byte {header.End} on is damaged: its checksum is {found:x8}, {wanted:x8} is written behind it.");
    }

    /// <summary>Fills the empty layers of a cache.</summary>
    /// <param name="header">What <see cref="FrozenHeader.Read"/> found.</param>
    /// <param name="bytes">The whole file, intact.</param>
    /// <param name="layers">Layers that the header's options make.</param>
    /// <param name="ownPool">Whether nobody set a limit for their memory.</param>
    /// <param name="scratch">Buffers.</param>
    /// <exception cref="InvalidDataException">The bytes cannot be what a cache wrote.</exception>
    public static void Read(FrozenHeader header, ReadOnlySpan<byte> bytes, LayerMemory[] layers, bool ownPool, CacheScratch scratch)
    {
        long payload = 0, needed = 0;
        for (int i = 0; i < layers.Length; i++)
        {
            LayerLayout layout = layers[i].Layout;
            if (!layout.IsPossible(header.Extents[i]))
                throw new InvalidDataException($"The header, bytes {FrozenHeader.Start} to {header.End}: layer {i} cannot be {header.Extents[i]}.");
            payload = checked(payload + PayloadBytes(layout, header.Extents[i]));
            needed = checked(needed + layout.Statistics(header.Extents[i], sharedBytes: 0).TotalBytes);
        }

        if (payload != header.PayloadBytes)
            throw new InvalidDataException($"The header, bytes {FrozenHeader.Start} to {header.End}, promises {header.PayloadBytes} bytes of content; its lengths make {payload}.");
        if (ownPool && needed > AllowedBytes + (AllowedPerByte * bytes.Length))
        {
            throw new InvalidDataException(
                $"The header, bytes {FrozenHeader.Start} to {header.End}, asks for {needed} bytes of memory; {AllowedBytes + (AllowedPerByte * bytes.Length)} are allowed for {bytes.Length} bytes. A pool of yours would set its own limit.");
        }

        int at = header.End;
        for (int i = 0; i < layers.Length; i++)
        {
            LayerMemory layer = layers[i];
            layer.Reserve(header.Extents[i], writesFront: true, scratch.Reserved);
            scratch.InstallReserved();
            layer.Become(header.Extents[i]);
            int start = at;
            foreach (Part part in Parts(layer))
            {
                Span<byte> place = BytesOf(layer, part);
                bytes.Slice(at, place.Length).CopyTo(place);
                at += place.Length;
                if (part.Kind == PartKind.Window)
                    RequireWindow(layer.Layout.Sides[part.Side], place, at - place.Length, scratch);
            }

            Restore(layer, start);
        }
    }

    private static long PayloadBytes(LayerLayout layout, LayerExtent extent)
    {
        long bytes = 0, plain = Math.Min(layout.Sinks, extent.Length) + layout.Rows(extent) - extent.BodyRows;
        foreach (SideLayout side in layout.Sides)
        {
            bytes += (layout.IsCalibrated(extent) ? side.Codec.StateBytes : 0) + (plain * side.RowBytes)
                + side.BlockBytes(layout.StoredRows(extent) - layout.FirstBlockRow(extent));
        }

        return checked(bytes * layout.Heads);
    }

    // What is stored, in the order of the file. Rows that wait count as much as those that live, for a later block holds them.
    private static IEnumerable<Part> Parts(LayerMemory layer)
    {
        LayerLayout layout = layer.Layout;
        LayerExtent extent = layer.Extent;
        for (int head = 0; head < layout.Heads; head++)
        {
            for (int side = 0; side < 2; side++)
            {
                if (layout.IsCalibrated(extent))
                    yield return new(PartKind.State, side, head, 0, 0);
                yield return new(PartKind.Sinks, side, head, 0, Math.Min(layout.Sinks, extent.Length));
                for (int row = layout.FirstBlockRow(extent), next; row < layout.StoredRows(extent); row = next)
                {
                    next = Math.Min(layout.StoredRows(extent), row - (row % SideLayout.PageRows) + SideLayout.PageRows);
                    yield return new(PartKind.Body, side, head, row, next - row);
                }

                for (int row = extent.BodyRows, next; row < layout.Rows(extent); row = next)
                {
                    next = Math.Min(layout.Rows(extent), row - (row % layout.RingRows) + layout.RingRows);
                    yield return new(PartKind.Window, side, head, row % layout.RingRows, next - row);
                }
            }
        }
    }

    private static Span<byte> BytesOf(LayerMemory layer, Part part) => part.Kind switch
    {
        PartKind.State => layer.State(part.Side, part.Head),
        PartKind.Body => layer.Body(part.Side, part.Head, part.First, part.Count),
        PartKind.Window => layer.Ring(part.Side, part.Head, part.First, part.Count),
        _ => part.Count == 0 ? [] : layer.Sinks(part.Side, part.Head, part.First, part.Count),
    };

    // Rows that wait will be encoded; they must be such as the door lets in.
    private static void RequireWindow(SideLayout kind, ReadOnlySpan<byte> stored, int offset, CacheScratch scratch)
    {
        for (int i = 0; i < stored.Length; i += kind.RowBytes)
        {
            Span<float> row = scratch.Token(kind.Dimension);
            WindowRows.LoadUntrusted(stored.Slice(i, kind.RowBytes), WindowRows.IsHalf(kind.WindowCodec), row);
            if (!Door.IsAtMost(row, Door.AlwaysEncodable(kind.Dimension)) && Door.Refusal(kind, row, scratch) is { } reason)
                throw new InvalidDataException($"The row at byte {offset + i}: {reason}");
        }
    }

    private static void Restore(LayerMemory layer, int offset)
    {
        LayerLayout layout = layer.Layout;
        if (!layout.IsCalibrated(layer.Extent))
            return;
        var codecs = new Codec[2][];
        for (int side = 0; side < 2; side++)
        {
            codecs[side] = new Codec[layout.Heads];
            for (int head = 0; head < layout.Heads; head++)
            {
                try
                {
                    codecs[side][head] = layout.Sides[side].Codec.WithState(layer.State(side, head));
                }
                catch (ArgumentException refused)
                {
                    throw new InvalidDataException($"Head {head} of the layer at byte {offset}: {refused.Message}", refused);
                }
            }
        }

        layer.Calibrate(codecs);
    }

    // State: all of it; sinks and body: rows; window: slots.
    private readonly record struct Part(PartKind Kind, int Side, int Head, int First, int Count);
}
