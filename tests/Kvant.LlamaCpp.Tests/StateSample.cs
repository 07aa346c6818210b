using System.Buffers.Binary;
using System.Text;
using Kvant.Numerics;

namespace Kvant.LlamaCpp.Tests;

/// <summary>A state as llama.cpp writes it, written once more from its source's order of fields, with nothing of the library but random numbers.</summary>
internal sealed record StateSample
{
    /// <summary>What it is written as.</summary>
    public LlamaStateKind Kind { get; init; }

    /// <summary>Tokens of a file.</summary>
    public int[] Tokens { get; init; } = [];

    /// <summary>Caches; two for models with sliding windows.</summary>
    public Cache[] Caches { get; init; } = [new()];

    /// <summary>Sequences of a recurrent part; -1 for none.</summary>
    public int Recurrent { get; init; } = -1;

    /// <summary>Bytes that each cell has beside position and sequences.</summary>
    public int ExtraBytes { get; init; }

    public ulong Seed { get; init; } = 1;

    /// <summary>Keys and values of some layers.</summary>
    internal sealed record Cache
    {
        public int Layers { get; init; } = 2;

        public int KeyType { get; init; } = 1;

        public int ValueType { get; init; } = 1;

        public int KeyWidth { get; init; } = 32;

        public int ValueWidth { get; init; } = 32;

        public bool IsTransposed { get; init; }

        /// <summary>Of each stream its cells: position and sequences.</summary>
        public (int Position, int[] Sequences)[][] Streams { get; init; } = [Run(0, 40)];
    }

    /// <summary>Cells of neighboring positions.</summary>
    public static (int Position, int[] Sequences)[] Run(int first, int count, params int[] sequences) =>
        [.. Enumerable.Range(first, count).Select(position => (position, sequences.Length == 0 ? [0] : sequences))];

    /// <summary>Bytes of a row.</summary>
    public static int RowBytes(int type, int numbers) => type switch
    {
        0 => 4 * numbers,
        1 or 30 => 2 * numbers,
        8 => numbers / 32 * 34,
        2 => numbers / 32 * 18,
        _ => numbers,
    };

    /// <summary>The state.</summary>
    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        var random = new SeededRandom(Seed);
        if (Kind is LlamaStateKind.SequenceFile or LlamaStateKind.SessionFile)
        {
            writer.Write(Kind == LlamaStateKind.SequenceFile ? "qsgg"u8 : "nsgg"u8);
            writer.Write(Kind == LlamaStateKind.SequenceFile ? 2 : 9);
            writer.Write(Tokens.Length);
            foreach (int token in Tokens)
                writer.Write(token);
        }

        if (Kind is LlamaStateKind.Context or LlamaStateKind.SessionFile)
        {
            writer.Write(5);
            writer.Write("llama"u8);
        }
        else if (Kind == LlamaStateKind.Sequence)
        {
            writer.Write(0xaf143cd8);
            writer.Write(3);
        }

        foreach (Cache cache in Caches)
            Write(writer, cache, random);
        if (Recurrent >= 0)
            WriteRecurrent(writer, random);
        return stream.ToArray();
    }

    private void Write(BinaryWriter writer, Cache cache, SeededRandom random)
    {
        writer.Write(cache.Streams.Length);
        foreach ((int Position, int[] Sequences)[] cells in cache.Streams)
        {
            writer.Write(cells.Length);
            if (cells.Length == 0)
                continue;
            foreach ((int position, int[] sequences) in cells)
            {
                writer.Write(position);
                writer.Write(sequences.Length);
                writer.Write(new byte[ExtraBytes]);
                foreach (int sequence in sequences)
                    writer.Write(sequence);
            }

            writer.Write(cache.IsTransposed ? 1 : 0);
            writer.Write(cache.Layers);
            for (int layer = 0; layer < cache.Layers; layer++)
            {
                writer.Write(cache.KeyType);
                writer.Write((long)RowBytes(cache.KeyType, cache.KeyWidth));
                writer.Write(Numbers(cache.KeyType, cells.Length * cache.KeyWidth, random));
            }

            for (int layer = 0; layer < cache.Layers; layer++)
            {
                writer.Write(cache.ValueType);
                if (cache.IsTransposed)
                {
                    writer.Write(RowBytes(cache.ValueType, 1));
                    writer.Write(cache.ValueWidth);
                }
                else
                {
                    writer.Write((long)RowBytes(cache.ValueType, cache.ValueWidth));
                }

                writer.Write(Numbers(cache.ValueType, cells.Length * cache.ValueWidth, random));
            }
        }
    }

    private void WriteRecurrent(BinaryWriter writer, SeededRandom random)
    {
        bool whole = Kind is LlamaStateKind.Context or LlamaStateKind.SessionFile;
        writer.Write(Recurrent);
        for (int cell = 0; cell < Recurrent; cell++)
        {
            writer.Write(39);
            writer.Write(whole ? 1 : 0);
            if (whole)
                writer.Write(cell);
        }

        writer.Write(0);
        writer.Write(4);
        foreach (int width in (int[])[24, 24, 100, 100])
        {
            writer.Write(0);
            writer.Write(4L * width);
            writer.Write(Numbers(0, Recurrent * width, random));
        }
    }

    // Gaussian numbers; blocks of q8_0 and its like are any bytes.
    private static byte[] Numbers(int type, int count, SeededRandom random)
    {
        byte[] bytes = new byte[RowBytes(type, count)];
        if (type is not (0 or 1 or 30))
        {
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)random.NextBits();
            return bytes;
        }

        for (int i = 0; i < count; i++)
        {
            float number = (float)random.NextGaussian();
            if (type == 0)
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), number);
            else if (type == 1)
                BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(2 * i), (Half)number);
            else
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits(number) >> 16));
        }

        return bytes;
    }

    /// <summary>A name for theories.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"{Kind}");
        foreach (Cache cache in Caches)
            text.Append($", {cache.Layers} layers of {cache.KeyType}/{cache.ValueType}{(cache.IsTransposed ? " transposed" : "")} in {cache.Streams.Length} streams of {string.Join("+", cache.Streams.Select(s => s.Length))}");
        return text.Append(Recurrent < 0 ? "" : ", recurrent").ToString();
    }
}
