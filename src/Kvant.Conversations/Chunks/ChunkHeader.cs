using System.Buffers.Binary;
using System.Text;
using Kvant.Kernels;

namespace Kvant.Conversations.Chunks;

/// <summary>What stands before the sections of a chunk. docs/formats/chunk.md describes the bytes.</summary>
internal sealed class ChunkHeader
{
    /// <summary>The version of the format.</summary>
    public const int Version = 1;

    /// <summary>Where the key of the chunk before stands: what a store needs in order to forget leaves first.</summary>
    public const int ParentOffset = 48;

    /// <summary>Bytes of <see cref="State"/>.</summary>
    public const int StateBytes = 16;

    /// <summary>How all other sections than layers are coded.</summary>
    public const string RawCodec = "raw";

    private const int KeyOffset = 16;
    private const int FixedBytes = 120;
    private const int LayerEntryBytes = 12;
    private const int NamedEntryBytes = 8;
    private const int MostSections = 1 << 16;

    /// <summary>What every chunk begins with.</summary>
    public static ReadOnlySpan<byte> Magic => "KVANTCHK"u8;

    public required ChunkKey Key { get; init; }

    /// <summary>The key of the chunk before; all zeros for the first.</summary>
    public required ChunkKey Parent { get; init; }

    /// <summary>The position of its first token.</summary>
    public required int Position { get; init; }

    /// <summary>Its tokens.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>What codecs chose from the first rows of the sequence: the beginning of the SHA-256 of all states, zeros where there are none.</summary>
    public required byte[] State { get; init; }

    /// <summary><see cref="ChunkRecipe"/>.</summary>
    public required byte[] Recipe { get; init; }

    /// <summary>The layers, one after the other.</summary>
    public required LayerEntry[] Layers { get; init; }

    /// <summary>Other sections, behind the layers.</summary>
    public required NamedEntry[] Named { get; init; }

    /// <summary>The codecs of its blocks, once somebody found out who knows the plan (<see cref="ChunkPlan.FormOf"/>).</summary>
    public ChunkForm? Form { get; set; }

    /// <summary>Bytes of the header, its checksum counted.</summary>
    public int Bytes => FixedBytes + (Tokens.Length * TokenBytes) + Recipe.Length + (Layers.Length * LayerEntryBytes)
        + Named.Sum(entry => 2 + entry.Name.Length + RawCodec.Length + NamedEntryBytes) + sizeof(uint);

    // As many as the largest needs.
    private int TokenBytes => Tokens.Length == 0 || Tokens.Max() < 1 << 8 ? 1 : Tokens.Max() switch { < 1 << 16 => 2, < 1 << 24 => 3, _ => 4 };

    /// <summary>The most bytes that the header of a chunk can have.</summary>
    public static long LargestBytes(ChunkPlan plan) => FixedBytes + (sizeof(int) * ((long)plan.Rows + plan.Options.Cache.Sinks)) + plan.Recipe.Length
        + ((long)plan.OwnLayers.Length * LayerEntryBytes) + plan.Options.Sections.Sum(name => 2L + name.Length + RawCodec.Length + NamedEntryBytes) + sizeof(uint);

    /// <summary>The same with another recipe and other layers.</summary>
    public ChunkHeader With(byte[] recipe, LayerEntry[] layers) =>
        new() { Key = Key, Parent = Parent, Position = Position, Tokens = Tokens, State = State, Recipe = recipe, Layers = layers, Named = Named };

    /// <summary>Reads the header of a whole value, and compares every checksum.</summary>
    /// <param name="value">All of it and no more.</param>
    /// <param name="header">The header; null for a miss.</param>
    /// <returns>Why it is none; null if it is.</returns>
    public static ChunkMiss? Read(ReadOnlySpan<byte> value, out ChunkHeader? header)
    {
        header = null;
        if (value.Length < FixedBytes + sizeof(uint) || !value.StartsWith(Magic))
            return ChunkMiss.Damaged;
        if (Number(value, 8) != Version)
            return ChunkMiss.OtherVersion;
        int length = Number(value, 12);
        if (length < FixedBytes + sizeof(uint) || length > value.Length || (uint)Number(value, length - sizeof(uint)) != Crc32C.Compute(value[..(length - sizeof(uint))]))
            return ChunkMiss.Damaged;
        header = Parse(value[..length], value.Length);
        if (header is null)
            return ChunkMiss.Damaged;

        // A header that is whole says how long everything is.
        int at = length;
        foreach ((int bytes, uint checksum) in header.Layers.Select(e => (e.Bytes, e.Checksum)).Concat(header.Named.Select(e => (e.Bytes, e.Checksum))))
        {
            if (bytes > value.Length - at || Crc32C.Compute(value.Slice(at, bytes)) != checksum)
                return ChunkMiss.Damaged;
            at += bytes;
        }

        return at == value.Length ? null : ChunkMiss.Damaged;
    }

    /// <summary>The key of the chunk before, of a value that may be anything; all zeros where it is too short.</summary>
    public static ChunkKey ParentOf(ReadOnlySpan<byte> value) =>
        value.Length < FixedBytes || !value.StartsWith(Magic) ? default : new ChunkKey(value.Slice(ParentOffset, ChunkKey.ByteLength));

    /// <summary>The position of the first token, of a value that may be anything; -1 where it is too short.</summary>
    public static int PositionOf(ReadOnlySpan<byte> value) => value.Length < FixedBytes || !value.StartsWith(Magic) ? -1 : Number(value, 96);

    /// <summary>The recipe in the beginning of a value that may be anything; empty where it is none, or not all of it is there.</summary>
    public static ReadOnlySpan<byte> RecipeOf(ReadOnlySpan<byte> start, out int layers)
    {
        layers = 0;
        if (start.Length < FixedBytes || !start.StartsWith(Magic) || Number(start, 8) != Version)
            return [];
        (int tokens, int size, int recipe) = (Number(start, 100), TokenBytesOf(start), Number(start, 108));
        layers = Number(start, 112);
        long at = FixedBytes + ((long)tokens * size);
        return tokens < 0 || size is < 1 or > 4 || recipe < 0 || layers is < 0 or > MostSections || at + recipe > start.Length ? [] : start.Slice((int)at, recipe);
    }

    /// <summary>Writes it.</summary>
    /// <param name="destination">Receives <see cref="Bytes"/> bytes.</param>
    public void Write(Span<byte> destination)
    {
        destination = destination[..Bytes];
        Magic.CopyTo(destination);
        Put(destination, 8, Version);
        Put(destination, 12, destination.Length);
        Key.CopyTo(destination[KeyOffset..]);
        Parent.CopyTo(destination[ParentOffset..]);
        State.CopyTo(destination[80..]);
        Put(destination, 96, Position);
        Put(destination, 100, Tokens.Length);
        Put(destination, 104, TokenBytes);
        Put(destination, 108, Recipe.Length);
        Put(destination, 112, Layers.Length);
        Put(destination, 116, Named.Length);
        int at = FixedBytes;
        foreach (int token in Tokens)
        {
            for (int i = 0; i < TokenBytesOf(destination); i++)
                destination[at++] = (byte)(token >> (8 * i));
        }

        Recipe.CopyTo(destination[at..]);
        at += Recipe.Length;
        foreach (LayerEntry layer in Layers)
        {
            Put(destination, at, layer.FirstRow);
            Put(destination, at + 4, layer.Bytes);
            Put(destination, at + 8, (int)layer.Checksum);
            at += LayerEntryBytes;
        }

        foreach (NamedEntry named in Named)
        {
            at += PutText(destination[at..], named.Name);
            at += PutText(destination[at..], RawCodec);
            Put(destination, at, named.Bytes);
            Put(destination, at + 4, (int)named.Checksum);
            at += NamedEntryBytes;
        }

        Put(destination, at, (int)Crc32C.Compute(destination[..at]));
    }

    private static int TokenBytesOf(ReadOnlySpan<byte> header) => Number(header, 104);

    // The checksum is right; what it covers may be anything all the same.
    private static ChunkHeader? Parse(ReadOnlySpan<byte> header, int valueBytes)
    {
        int tokens = Number(header, 100), size = TokenBytesOf(header), recipe = Number(header, 108), layers = Number(header, 112), named = Number(header, 116);
        if (Number(header, 96) < 0 || tokens < 0 || size is < 1 or > 4 || recipe < 0 || layers is < 0 or > MostSections || named is < 0 or > MostSections)
            return null;
        long fixedEnd = FixedBytes + ((long)tokens * size) + recipe + ((long)layers * LayerEntryBytes);
        if (fixedEnd > header.Length - sizeof(uint))
            return null;
        int at = FixedBytes;
        int[] ids = new int[tokens];
        for (int i = 0; i < tokens; i++)
        {
            for (int b = 0; b < size; b++)
                ids[i] |= header[at++] << (8 * b);
            if (ids[i] < 0)
                return null;
        }

        byte[] recipeBytes = header.Slice(at, recipe).ToArray();
        at += recipe;
        var layerEntries = new LayerEntry[layers];
        for (int i = 0; i < layers; i++, at += LayerEntryBytes)
        {
            layerEntries[i] = new(Number(header, at), Number(header, at + 4), (uint)Number(header, at + 8));
            if (layerEntries[i].FirstRow < 0 || layerEntries[i].Bytes < 0 || layerEntries[i].Bytes > valueBytes)
                return null;
        }

        ReadOnlySpan<byte> rest = header[at..^sizeof(uint)];
        if (named > rest.Length / NamedEntryBytes)
            return null;
        var namedEntries = new NamedEntry[named];
        for (int i = 0; i < named; i++)
        {
            if (!TryText(ref rest, out string name) || !TryText(ref rest, out string codec) || codec != RawCodec || rest.Length < NamedEntryBytes)
                return null;
            namedEntries[i] = new(name, Number(rest, 0), (uint)Number(rest, 4));
            rest = rest[NamedEntryBytes..];
            if (namedEntries[i].Bytes < 0 || namedEntries[i].Bytes > valueBytes)
                return null;
        }

        ChunkHeader parsed = new()
        {
            Key = new ChunkKey(header.Slice(KeyOffset, ChunkKey.ByteLength)),
            Parent = new ChunkKey(header.Slice(ParentOffset, ChunkKey.ByteLength)),
            State = header.Slice(80, StateBytes).ToArray(),
            Position = Number(header, 96),
            Tokens = ids,
            Recipe = recipeBytes,
            Layers = layerEntries,
            Named = namedEntries,
        };
        return rest.IsEmpty && parsed.TokenBytes == size ? parsed : null;
    }

    private static bool TryText(ref ReadOnlySpan<byte> rest, out string text)
    {
        text = "";
        if (rest.IsEmpty || rest[0] > rest.Length - 1 || !Ascii.IsValid(rest.Slice(1, rest[0])))
            return false;
        text = Encoding.ASCII.GetString(rest.Slice(1, rest[0]));
        rest = rest[(1 + text.Length)..];
        return true;
    }

    private static int PutText(Span<byte> destination, string text)
    {
        destination[0] = (byte)text.Length;
        return 1 + Encoding.ASCII.GetBytes(text, destination[1..]);
    }

    private static int Number(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes[at..]);

    private static void Put(Span<byte> bytes, int at, int number) => BinaryPrimitives.WriteInt32LittleEndian(bytes[at..], number);

    /// <summary>A layer of a chunk.</summary>
    /// <param name="FirstRow">The first of the chunk's rows that is stored: 0, unless a sliding window forgot some.</param>
    /// <param name="Bytes">Its length.</param>
    /// <param name="Checksum">CRC-32C of its bytes.</param>
    internal readonly record struct LayerEntry(int FirstRow, int Bytes, uint Checksum);

    /// <summary>Another section.</summary>
    /// <param name="Name">What it is called.</param>
    /// <param name="Bytes">Its length.</param>
    /// <param name="Checksum">CRC-32C of its bytes.</param>
    internal readonly record struct NamedEntry(string Name, int Bytes, uint Checksum);
}
