using System.Globalization;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>A layer in a cache file: which tensors it has and how its memory goes there and back.</summary>
internal static class LayerFormat
{
    private const int Alignment = 8;

    // In the order of the file: what has numbers of several bytes before what has not.
    internal enum Section
    {
        Sinks,
        Window,
        Queries,
        Energies,
        State,
        Blocks,
    }

    /// <summary>The tensors of a layer, in the order of the file; empty ones are not there.</summary>
    /// <exception cref="ArgumentException">One is too large for a file.</exception>
    public static List<TensorDeclaration> Tensors(CacheHeader header, int layer)
    {
        if (header.OwnerOf(layer) != layer)
            return [];
        LayerLayout layout = header.Layouts[layer];
        LayerExtent extent = header.Extents[layer];
        int window = layout.Rows(extent) - extent.BodyRows;
        List<TensorDeclaration> tensors = [];
        foreach (Section section in Enum.GetValues<Section>())
        {
            if (section == Section.Queries && header.Queries is { } type)
                Add("query", type, layout.Shape.QueryHeads, extent.Length, layout.Sides[0].Dimension);
            if (section == Section.Energies && header.Observed[layer] > 0)
                Add("key.query_energies", ElementType.U8, layout.Heads, (long)sizeof(double) * layout.Sides[0].Dimension);
            bool inSteps = section is Section.State or Section.Blocks;
            for (int step = 0; step < (inSteps ? layout.Steps.Length : 1) && section is not (Section.Queries or Section.Energies); step++)
            {
                (int firstRow, int endRow) = layout.StoredRows(extent, step);
                for (int side = 0; side < layout.Sides.Length; side++)
                {
                    SideLayout kind = layout.Steps[step].Sides[side];
                    string name = (step == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"ages.{step}.")) + (side == 0 ? "key" : "value");
                    ElementType rows = WindowRows.IsHalf(kind.WindowCodec) ? ElementType.F16 : ElementType.F32;
                    switch (section)
                    {
                        case Section.Sinks:
                            Add($"{name}.sinks", rows, layout.Heads, Math.Min(layout.Sinks, extent.Length), kind.Dimension);
                            break;
                        case Section.Window:
                            Add($"{name}.window", rows, layout.Heads, window, kind.Dimension);
                            break;
                        case Section.State:
                            Add($"{name}.state", ElementType.U8, layout.Heads, layout.IsCalibrated(extent) ? kind.Codec.StateBytes : 0);
                            break;
                        default:
                            Add($"{name}.blocks", ElementType.U8, layout.Heads, (endRow - firstRow) / kind.Codec.RowsPerBlock, kind.Codec.BytesPerBlock);
                            break;
                    }
                }
            }
        }

        // The checksum ends where the next layer may begin.
        long end = tensors.Sum(tensor => tensor.ByteLength()) + sizeof(uint);
        Add("crc32c", ElementType.U8, sizeof(uint) + ((Alignment - (end % Alignment)) % Alignment));
        return tensors;

        void Add(string name, ElementType element, params long[] shape)
        {
            if (!shape.Contains(0))
                tensors.Add(new(string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.{name}"), element, shape));
        }
    }

    /// <summary>Where the queries of a layer begin in the file.</summary>
    public static long QueryOffset(CacheHeader header, int layer) =>
        header.LayerOffset(layer) + Tensors(header, layer).TakeWhile(tensor => !IsQuery(tensor)).Sum(tensor => tensor.ByteLength());

    /// <summary>Writes a layer, queries as they come.</summary>
    /// <param name="header">The file's header.</param>
    /// <param name="layer">Which of its layers.</param>
    /// <param name="memory">What it holds.</param>
    /// <param name="energies">What it has heard of queries, as it was when the header was made: those who read a cache may add to that.</param>
    /// <param name="writer">Receives it.</param>
    /// <param name="queries">Writes the queries, where the header has some.</param>
    public static void Write(CacheHeader header, int layer, LayerMemory memory, QueryEnergies energies, ChecksummedWriter writer, Action<ChecksummedWriter>? queries = null)
    {
        foreach (Section section in Enum.GetValues<Section>())
        {
            if (section == Section.Queries)
                queries?.Invoke(writer);
            for (int head = 0; section == Section.Energies && head < energies.Heads; head++)
                writer.Write(energies.Bytes(head));
            foreach (Part part in Parts(memory.Layout, header.Extents[layer], section))
                writer.Write(BytesOf(memory, section, part));
        }

        writer.WriteChecksum((int)Tensors(header, layer)[^1].ByteLength());
    }

    /// <summary>Fills an empty layer. Bounded pieces go straight to where they belong; nothing of them is used before the checksum is right.</summary>
    /// <param name="header">The file's header.</param>
    /// <param name="layer">Which of its layers.</param>
    /// <param name="reader">Stands where it begins.</param>
    /// <param name="memory">Receives it.</param>
    /// <param name="scratch">Buffers.</param>
    /// <exception cref="InvalidDataException">The bytes are damaged or cannot be what a cache wrote.</exception>
    public static void Read(CacheHeader header, int layer, ref ChecksummedReader reader, LayerMemory memory, CacheScratch scratch)
    {
        long offset = reader.Position;
        List<TensorDeclaration> tensors = Tensors(header, layer);
        LayerExtent extent = header.Extents[layer];
        memory.Reserve(extent, writesFront: true, scratch.Reserved);
        scratch.InstallReserved();
        memory.Become(extent);
        memory.Queries.Restore(header.Observed[layer]);
        foreach (Section section in Enum.GetValues<Section>())
        {
            if (section == Section.Queries && tensors.Find(IsQuery) is { } queries)
                reader.Skip(queries.ByteLength());
            for (int head = 0; section == Section.Energies && head < memory.Queries.Heads; head++)
                reader.Read(memory.Queries.Bytes(head));
            foreach (Part part in Parts(memory.Layout, extent, section))
                reader.Read(BytesOf(memory, section, part));
        }

        reader.RequireChecksum((int)tensors[^1].ByteLength(), $"layer {layer}, from byte {offset} on,");
        try
        {
            Complete(memory, scratch);
        }
        catch (ArgumentException refused)
        {
            throw reader.InvalidData($"layer {layer}, from byte {offset} on: {refused.Message}", refused);
        }
    }

    /// <summary>Makes a layer usable whose bytes are in place: codecs from their states, and checks of everything, so that no later call can fail on it.</summary>
    /// <exception cref="ArgumentException">The bytes cannot be what a cache wrote.</exception>
    internal static void Complete(LayerMemory memory, CacheScratch scratch)
    {
        Restore(memory);
        memory.Queries.RequirePossible();
        RequireUsable(memory, scratch);
    }

    private static bool IsQuery(TensorDeclaration tensor) => tensor.Name.EndsWith(".query", StringComparison.Ordinal);

    // Pieces of a section that lie together in memory, side by side and head by head. A section that is not there has no heads to go through: a short
    // file may name two thousand million.
    internal static IEnumerable<Part> Parts(LayerLayout layout, LayerExtent extent, Section section)
    {
        for (int step = 0; step < (section is Section.State or Section.Blocks ? layout.Steps.Length : 1); step++)
        {
            (int start, int end, int unit) = section switch
            {
                Section.Sinks => (0, Math.Min(layout.Sinks, extent.Length), int.MaxValue),
                Section.Window => (extent.BodyRows, layout.Rows(extent), layout.RingRows),
                Section.State => (0, layout.IsCalibrated(extent) ? 1 : 0, 1),
                Section.Blocks => Stored(step),
                _ => (0, 0, 1),
            };
            for (int side = 0; side < layout.Sides.Length && start < end; side++)
            {
                if (section == Section.State && layout.Steps[step].Sides[side].Codec.StateBytes == 0)
                    continue;
                for (int head = 0; head < layout.Heads; head++)
                {
                    for (int row = start, count; row < end; row += count)
                    {
                        count = Math.Min(end - row, unit - (row % unit));
                        yield return new(side, head, section == Section.Window ? row % unit : row, count, step);
                    }
                }
            }
        }

        (int First, int End, int Unit) Stored(int step)
        {
            (int first, int end) = layout.StoredRows(extent, step);
            return (first, end, SideLayout.PageRows);
        }
    }

    internal static Span<byte> BytesOf(LayerMemory memory, Section section, Part part) => section switch
    {
        Section.Sinks => memory.Sinks(part.Side, part.Head, part.First, part.Count),
        Section.Window => memory.Ring(part.Side, part.Head, part.First, part.Count),
        Section.State => memory.State(part.Step, part.Side, part.Head),
        _ => memory.Body(part.Step, part.Side, part.Head, part.First, part.Count),
    };

    private static void Restore(LayerMemory memory)
    {
        LayerLayout layout = memory.Layout;
        if (!layout.IsCalibrated(memory.Extent))
            return;
        Codec[][][] codecs = Array.ConvertAll(layout.Steps, step => Array.ConvertAll(step.Sides, _ => new Codec[layout.Heads]));
        for (int step = 0; step < codecs.Length; step++)
        {
            for (int side = 0; side < layout.Sides.Length; side++)
            {
                for (int head = 0; head < layout.Heads; head++)
                {
                    Codec codec = layout.Steps[step].Sides[side].Codec;
                    ReadOnlySpan<byte> state = memory.State(step, side, head);
                    if (!codec.IsStateFor(state, side == 0 ? new() { Rotary = layout.Shape.Rotary } : CalibrationContext.Unknown))
                        throw new ArgumentException($"The state of head {head} is turned otherwise than the header says.");
                    // What newer rows have is the same codec, so that attention goes from those to these without leaving its basis.
                    int newer = layout.Steps[step].CodedBy(side);
                    codecs[step][side][head] = newer < step && state.SequenceEqual(memory.State(newer, side, head)) ? codecs[newer][side][head] : codec.WithState(state);
                }
            }
        }

        memory.Calibrate(codecs);
    }

    // Rows must be such as Append lets in, for those that wait will be encoded; blocks must decode to numbers, for a cut brings them back.
    private static void RequireUsable(LayerMemory memory, CacheScratch scratch)
    {
        foreach (Section section in (Section[])[Section.Sinks, Section.Window])
        {
            foreach (Part part in Parts(memory.Layout, memory.Extent, section))
                RequireRows(memory.Layout.Sides[part.Side], BytesOf(memory, section, part), section, part, scratch);
        }

        foreach (Part part in Parts(memory.Layout, memory.Extent, Section.Blocks))
        {
            if (!memory.Codec(part.Step, part.Side, part.Head).AreFinite(BytesOf(memory, Section.Blocks, part)))
                throw new ArgumentException($"{Name(part)}: a block of rows {part.First} to {part.First + part.Count - 1} does not decode to finite numbers.");
        }
    }

    private static void RequireRows(SideLayout kind, ReadOnlySpan<byte> stored, Section section, Part part, CacheScratch scratch)
    {
        for (int i = 0; i < stored.Length; i += kind.RowBytes)
        {
            Span<float> row = scratch.Token(kind.Dimension);
            WindowRows.LoadUntrusted(stored.Slice(i, kind.RowBytes), WindowRows.IsHalf(kind.WindowCodec), row);
            if (!Door.IsAtMost(row, Door.AlwaysEncodable(kind.Dimension)) && Door.Refusal(kind, row, scratch) is { } reason)
                throw new ArgumentException($"{Name(part)}, {section}, row {part.First + (i / kind.RowBytes)}: {reason}");
        }
    }

    private static string Name(Part part) => $"{(part.Side == 0 ? "Keys" : "Values")} of head {part.Head}";

    // State: all of it; sinks and blocks: rows; window: slots. States and blocks are those of a step.
    internal readonly record struct Part(int Side, int Head, int First, int Count, int Step = 0);
}
