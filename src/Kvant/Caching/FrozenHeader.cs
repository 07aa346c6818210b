using System.Buffers.Binary;
using System.Text;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Caching;

/// <summary>The header of a frozen cache: everything that is not rows.</summary>
/// <param name="Options">How the cache stores its sequence, without a pool.</param>
/// <param name="Extents">Where the tokens of each layer are.</param>
/// <param name="PayloadBytes">Bytes of what follows the header.</param>
/// <param name="End">Where that begins.</param>
internal sealed record FrozenHeader(KvCacheOptions Options, LayerExtent[] Extents, long PayloadBytes, int End)
{
    /// <summary>Where the header's fields begin, behind magic, version and length.</summary>
    public const int Start = 16;

    private const uint Version = 2;

    // Knew no drafts and no rows of cut blocks.
    private const uint FirstVersion = 1;

    private static ReadOnlySpan<byte> Magic => "KVANTKVC"u8;

    /// <summary>Writes a header, its checksum too.</summary>
    public static byte[] Write(KvCacheOptions options, LayerExtent[] extents, long payloadBytes)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write(0); // its length, below
        CacheGeometry geometry = options.Geometry;
        foreach (int number in (int[])[geometry.Layers, geometry.KvHeads, geometry.QueryHeads, geometry.KeyDimension, geometry.ValueDimension, options.Sinks, options.Window, options.DraftTokens])
            writer.Write(number);
        (int kind, int tokens) = options.Eviction switch
        {
            Eviction.SlidingWindow sliding => (1, sliding.Tokens),
            Eviction.MaxTokens most => (2, most.Tokens),
            _ => (0, 0),
        };
        writer.Write(kind);
        writer.Write(tokens);
        Write(writer, options.WindowCodec?.FullText ?? "");
        for (int layer = 0; layer < extents.Length; layer++)
        {
            Write(writer, options.Policy[layer].Keys.FullText);
            Write(writer, options.Policy[layer].Values.FullText);
            writer.Write(extents[layer].Length);
            writer.Write(extents[layer].BodyRows);
            writer.Write(extents[layer].FirstLive);
            writer.Write(extents[layer].CutRows);
        }

        writer.Write(payloadBytes);
        byte[] header = [.. stream.ToArray(), 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(Start - sizeof(int)), header.Length - Start - sizeof(uint));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(header.Length - sizeof(uint)), Crc32C.Compute(header.AsSpan(0, header.Length - sizeof(uint))));
        return header;
    }

    /// <summary>Reads a header.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <exception cref="InvalidDataException">It is none, or damaged.</exception>
    public static FrozenHeader Read(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(Magic))
            throw new InvalidDataException($"No frozen cache: the bytes at 0 are not '{Encoding.ASCII.GetString(Magic)}'.");
        var reader = new FieldReader(bytes, Magic.Length);
        uint version = (uint)reader.Int32();
        if (version is not (FirstVersion or Version))
            throw new InvalidDataException($"The version at byte {Magic.Length} is {version}; {FirstVersion} and {Version} are known.");
        int length = reader.Int32();
        if (length < 0 || length > bytes.Length - Start - sizeof(uint))
            throw new InvalidDataException($"The header's length at byte {Start - sizeof(int)} is {length}; there are {bytes.Length} bytes.");
        int end = Start + length;
        uint wanted = BinaryPrimitives.ReadUInt32LittleEndian(bytes[end..]), found = Crc32C.Compute(bytes[..end]);
        if (found != wanted)
            throw new InvalidDataException($"The header, bytes 0 to {end}, is damaged: its checksum is {found:x8}, {wanted:x8} is written behind it.");
        reader = new FieldReader(bytes[..end], Start);
        try
        {
            return Fields(ref reader, end, first: version == FirstVersion);
        }
        catch (Exception refused) when (refused is ArgumentException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"The field before byte {reader.Position}: {refused.Message}", refused);
        }
    }

    private static FrozenHeader Fields(ref FieldReader reader, int end, bool first)
    {
        CacheGeometry geometry = new()
        {
            Layers = reader.Int32(),
            KvHeads = reader.Int32(),
            QueryHeads = reader.Int32(),
            KeyDimension = reader.Int32(),
            ValueDimension = reader.Int32(),
        };
        int sinks = reader.Int32(), window = reader.Int32(), drafts = first ? 0 : reader.Int32(), kind = reader.Int32(), tokens = reader.Int32();
        Eviction eviction = kind switch
        {
            0 => Eviction.None,
            1 => new Eviction.SlidingWindow(tokens),
            2 => new Eviction.MaxTokens(tokens),
            _ => throw new FormatException($"the kind of eviction is {kind}; 0 to 2 are known."),
        };
        string windowCodec = reader.Text();

        // Every layer takes bytes of the header, so their number needs no bound of its own.
        List<LayerSpecs> policy = [];
        List<LayerExtent> extents = [];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            policy.Add(new(Spec(reader.Text()), Spec(reader.Text())));
            extents.Add(new(reader.Int32(), reader.Int32(), reader.Int32(), first ? 0 : reader.Int32()));
        }

        long payload = reader.Int64();
        if (reader.Position != end)
            throw new FormatException($"the header should end there, and ends at {end}.");
        return new(
            new()
            {
                Geometry = geometry,
                Policy = new LayerPolicy(policy),
                Sinks = sinks,
                Window = window,
                DraftTokens = drafts,
                WindowCodec = windowCodec.Length == 0 ? null : Spec(windowCodec),
                Eviction = eviction,
            },
            [.. extents],
            payload,
            end + sizeof(uint));
    }

    // A setting that is left out would take its value from this version's defaults.
    private static CodecSpec Spec(string text)
    {
        CodecSpec spec = CodecSpec.Parse(text);
        return spec.FullText == text ? spec : throw new FormatException($"'{text}' found, the full spec '{spec.FullText}' wanted.");
    }

    private static void Write(BinaryWriter writer, string text)
    {
        writer.Write((ushort)text.Length);
        writer.Write(Encoding.ASCII.GetBytes(text));
    }

    private ref struct FieldReader(ReadOnlySpan<byte> bytes, int position)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;

        public int Position { get; private set; } = position;

        public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));

        public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)));

        public string Text() => Encoding.ASCII.GetString(Take(BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)))));

        private ReadOnlySpan<byte> Take(int count)
        {
            if (count > _bytes.Length - Position)
                throw new InvalidDataException($"{count} bytes are wanted at byte {Position}; {_bytes.Length - Position} are left.");
            Position += count;
            return _bytes.Slice(Position - count, count);
        }
    }
}
