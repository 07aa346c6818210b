using Kvant.Caching;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Everything of a compressed state that is not rows: docs/formats/llama-state.md describes its bytes.</summary>
/// <param name="Kind">What the state was written as.</param>
/// <param name="Sequence">The number that its sequence had.</param>
/// <param name="Architecture">The model's; null where the state does not say.</param>
/// <param name="Identity">What the state belongs to.</param>
/// <param name="Tokens">The tokens that it is of.</param>
/// <param name="Parts">Its parts, without places.</param>
internal sealed record StateHeader(LlamaStateKind Kind, int Sequence, string? Architecture, CacheIdentity Identity, int[] Tokens, List<StatePart> Parts)
{
    private const int MostParts = 4;

    public byte[] ToBytes()
    {
        var writer = new FieldWriter();
        writer.Byte((int)Kind);
        writer.Int32(Sequence);
        writer.Text(Architecture);
        writer.Text(Identity.Weights);
        writer.Text(Identity.Positions);
        writer.Text(Identity.Note);
        writer.Int32(Tokens.Length);
        foreach (int token in Tokens)
            writer.Int32(token);
        writer.Byte(Parts.Count);
        foreach (StatePart part in Parts)
        {
            writer.Byte(part is AttentionPart ? 0 : 1);
            if (part is AttentionPart attention)
                Write(writer, attention);
            else if (part is RecurrentPart recurrent)
                Write(writer, recurrent);
        }

        return writer.Bytes.ToArray();
    }

    /// <exception cref="FormatException">It is none.</exception>
    public static StateHeader Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new FieldReader(bytes);
        int kind = reader.Byte(), sequence = reader.Int32();
        if (kind > (int)LlamaStateKind.SessionFile || sequence is < 0 or >= CellTable.MostSequences)
            throw new FormatException($"A state of kind {kind} and sequence {sequence} is none.");
        string? architecture = reader.Text();
        bool isWhole = (LlamaStateKind)kind is LlamaStateKind.Context or LlamaStateKind.SessionFile;
        if (architecture is null == isWhole || (architecture is not null && !IsName(architecture)))
            throw new FormatException($"'{architecture}' is no architecture of such a state.");
        CacheIdentity identity;
        try
        {
            identity = new() { Weights = reader.Text(), Positions = reader.Text(), Note = reader.Text() };
        }
        catch (ArgumentException refused)
        {
            throw new FormatException(refused.Message, refused);
        }

        int[] tokens = new int[reader.Count(sizeof(int))];
        foreach (ref int token in tokens.AsSpan())
            token = reader.Int32();
        int count = reader.Byte();
        if (count is < 1 or > MostParts)
            throw new FormatException($"There are {count} parts; 1 to {MostParts} are possible.");
        List<StatePart> parts = [];
        for (int i = 0; i < count; i++)
        {
            int type = reader.Byte();
            if (type > 1 || (type == 1 && i < count - 1))
                throw new FormatException($"A part of kind {type} cannot be number {i} of {count}.");
            parts.Add(type == 0 ? ReadAttention(ref reader, isWhole) : ReadRecurrent(ref reader));
        }

        return reader.Rest == 0 ? new((LlamaStateKind)kind, sequence, architecture, identity, tokens, parts) : throw new FormatException($"{reader.Rest} bytes are left over.");
    }

    private static bool IsName(string text) => text.Length is >= 1 and <= LlamaState.LongestName && !text.AsSpan().ContainsAnyExceptInRange(' ', '~');

    private static void Write(FieldWriter writer, RecurrentPart part)
    {
        writer.Int64(part.Bytes);
        writer.Int32(part.Cells);
        writer.Int32(part.Tensors);
    }

    private static RecurrentPart ReadRecurrent(ref FieldReader reader)
    {
        var part = new RecurrentPart(0, reader.Int64(), reader.Int32(), reader.Int32());
        return part is { Bytes: >= 0, Cells: >= 0, Tensors: >= 0 } && part.Bytes <= Array.MaxLength ? part : throw new FormatException($"A recurrent part of {part.Bytes} bytes cannot be.");
    }

    private static void Write(FieldWriter writer, AttentionPart part)
    {
        writer.Byte(part.IsTransposed ? 1 : 0);
        writer.Int32(part.Layers.Length);
        foreach (LayerRows layer in part.Layers)
        {
            writer.Int32(layer.KeyType.Id);
            writer.Int64(layer.KeyBytes);
            writer.Int32(layer.ValueType.Id);
            writer.Int64(layer.ValueBytes);
        }

        writer.Int32(part.Streams.Length);
        foreach (StreamPart stream in part.Streams)
        {
            writer.Int32(stream.Cells.Runs.Count);
            foreach (CellRun run in stream.Cells.Runs)
            {
                writer.Int32(run.Count);
                writer.Int32(run.Position);
                writer.UInt16(stream.Cells.Sets[run.Set].Length);
                foreach (int sequence in stream.Cells.Sets[run.Set])
                    writer.UInt16(sequence);
            }
        }
    }

    private static AttentionPart ReadAttention(ref FieldReader reader, bool isWhole)
    {
        int transposed = reader.Byte();
        var layers = new LayerRows[reader.Count(2 * LayerRows.HeaderBytes)];
        foreach (ref LayerRows layer in layers.AsSpan())
        {
            (int keys, long keyBytes, int values, long valueBytes) = (reader.Int32(), reader.Int64(), reader.Int32(), reader.Int64());
            if (GgmlType.Find(keys) is not { } keyType || GgmlType.Find(values) is not { } valueType || keyType.Numbers(keyBytes) < 1 || valueType.Numbers(valueBytes) < 1 || (transposed == 1 && !valueType.IsFloat))
                throw new FormatException($"Rows of types {keys} and {values} with {keyBytes} and {valueBytes} bytes cannot be.");
            layer = new(keyType, keyBytes, valueType, valueBytes);
        }

        var streams = new StreamPart[reader.Count(sizeof(int))];
        foreach (ref StreamPart stream in streams.AsSpan())
            stream = new(ReadCells(ref reader, isWhole), [], []);
        bool isEmpty = Array.TrueForAll(streams, stream => stream.Cells.Count == 0);
        return transposed <= 1 && streams.Length is >= 1 and <= CellTable.MostSequences && layers.Length <= AttentionPart.MostLayers && layers.Length == 0 == isEmpty
            ? new(transposed == 1, layers, streams) : throw new FormatException($"{layers.Length} layers and {streams.Length} streams cannot be.");
    }

    private static CellTable ReadCells(ref FieldReader reader, bool isWhole)
    {
        var cells = new CellTable();
        Span<int> sequences = stackalloc int[CellTable.MostSequences];
        int runs = reader.Count((2 * sizeof(int)) + (2 * sizeof(ushort)));
        for (int i = 0; i < runs; i++)
        {
            int count = reader.Int32(), position = reader.Int32(), owners = reader.UInt16();
            if (owners < 1 || owners > (isWhole ? CellTable.MostSequences : 1))
                throw new FormatException($"Cells of {owners} sequences cannot be.");
            for (int s = 0; s < owners; s++)
                sequences[s] = reader.UInt16();
            cells.Add(count, position, sequences[..owners]);
        }

        if (cells.Runs.Count != runs)
            throw new FormatException($"{runs} runs of cells are {cells.Runs.Count}.");
        return cells.FirstTwice() is not { } twice ? cells : throw new FormatException($"Position {twice.Position} of sequence {twice.Sequence} is there twice.");
    }
}
