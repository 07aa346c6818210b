using System.Buffers.Binary;
using System.Text;
using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>
/// The header of a cache file: everything that is not rows. Its bytes follow from what it says, so a reader takes the metadata alone, makes the
/// header again and compares.
/// </summary>
internal sealed class CacheHeader
{
    private const int ChecksumBytes = 8;

    private readonly byte[] _bytes;
    private readonly long[] _layerOffsets;

    /// <summary>A header.</summary>
    /// <param name="options">How the cache stores its sequence.</param>
    /// <param name="layouts">What the options make.</param>
    /// <param name="extents">Where the tokens of each layer are.</param>
    /// <param name="observed">How many tokens' queries each layer has heard of; null for none.</param>
    /// <param name="queries">How queries are stored that are carried along; null for none.</param>
    /// <param name="source">What the source of the rows said about itself.</param>
    /// <exception cref="ArgumentException">A text or a size is too large for a file.</exception>
    public CacheHeader(KvCacheOptions options, LayerLayout[] layouts, LayerExtent[] extents, int[]? observed = null, ElementType? queries = null, IReadOnlyDictionary<string, string>? source = null)
    {
        (Options, Layouts, Extents, Observed, Queries, Source) = (options, layouts, extents, observed ?? new int[extents.Length], queries, source ?? new Dictionary<string, string>());
        List<TensorDeclaration> tensors = [new("header.crc32c", ElementType.U8, ChecksumBytes)];
        _layerOffsets = new long[extents.Length + 1];
        long end = ChecksumBytes;
        for (int layer = 0; layer < extents.Length; layer++)
        {
            _layerOffsets[layer] = end;
            List<TensorDeclaration> ofLayer = LayerFormat.Tensors(this, layer);
            end = checked(end + ofLayer.Sum(tensor => tensor.ByteLength()));
            tensors.AddRange(ofLayer);
        }

        _layerOffsets[^1] = end;
        _bytes = SafetensorsHeaderWriter.Format(CacheMetadata.Write(this), tensors);
    }

    /// <summary>How the cache stores its sequence, without a pool.</summary>
    public KvCacheOptions Options { get; }

    /// <summary>Where the rows of each layer lie.</summary>
    public LayerLayout[] Layouts { get; }

    /// <summary>Where the tokens of each layer are.</summary>
    public LayerExtent[] Extents { get; }

    /// <summary>How many tokens' queries each layer has heard of.</summary>
    public int[] Observed { get; }

    /// <summary>How queries are stored that are carried along; null for none.</summary>
    public ElementType? Queries { get; }

    /// <summary>What the source of the rows said about itself.</summary>
    public IReadOnlyDictionary<string, string> Source { get; }

    /// <summary>The length of the whole file.</summary>
    public long FileBytes => LayerOffset(Extents.Length);

    /// <summary>Where a layer begins in the file.</summary>
    public long LayerOffset(int layer) => SafetensorsHeader.Start + _bytes.Length + _layerOffsets[layer];

    /// <summary>Writes it, with its checksum.</summary>
    public void Write(ChecksummedWriter writer)
    {
        Span<byte> length = stackalloc byte[SafetensorsHeader.Start];
        BinaryPrimitives.WriteInt64LittleEndian(length, _bytes.Length);
        writer.Write(length);
        writer.Write(_bytes);
        writer.WriteChecksum(ChecksumBytes);
    }

    /// <summary>Reads a header and makes its layouts.</summary>
    /// <exception cref="InvalidDataException">It is none, damaged, of another version, or not what its metadata make.</exception>
    public static CacheHeader Read(ref ChecksummedReader reader)
    {
        Span<byte> start = stackalloc byte[SafetensorsHeader.Start];
        reader.Read(start);
        if (start.SequenceEqual("KVANTKVC"u8))
            throw reader.InvalidData($"a frozen cache of the binary form 'KVANTKVC', version 1; version {CacheMetadata.Version} is known");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > SafetensorsHeader.LongestHeader)
            throw reader.InvalidData($"no cache: the header claims {length} bytes, at most {SafetensorsHeader.LongestHeader} are possible");
        byte[] bytes = reader.ReadGrowing((int)length);
        CacheMetadata metadata = CacheMetadata.Parse(in reader, bytes);
        reader.RequireChecksum(ChecksumBytes, "the header");
        try
        {
            CacheHeader header = metadata.CreateHeader();
            int same = header._bytes.AsSpan().CommonPrefixLength(bytes);
            return same == bytes.Length && same == header._bytes.Length ? header
                : throw reader.InvalidData($"the header from byte {SafetensorsHeader.Start + same} on is '{Excerpt(bytes, same)}'; its metadata make '{Excerpt(header._bytes, same)}'");
        }
        catch (Exception refused) when (refused is ArgumentException or FormatException or OverflowException)
        {
            throw reader.InvalidData($"the header, bytes 0 to {reader.Position}: {refused.Message}", refused);
        }
    }

    /// <summary>An empty cache of one of the layers.</summary>
    public KvCache CreateLayer(int layer, PagePool pool) => new(
        Options with { Geometry = Options.Geometry.Only(layer), Policy = new LayerPolicy([Options.Policy[layer]]), Pool = pool },
        [Layouts[layer]]);

    /// <summary>The layer whose rows a layer has: itself, unless it shares another's.</summary>
    public int OwnerOf(int layer) => Options.Geometry[layer].SharedLayer ?? layer;

    /// <summary>What a layer's memory is spent on.</summary>
    public CacheStatistics StatisticsOf(int layer) => Layouts[layer].Statistics(Extents[layer], sharedBytes: 0);

    /// <summary>The layers that have rows of their own.</summary>
    public IEnumerable<int> OwnLayers => Options.Geometry.OwnLayers;

    private static string Excerpt(byte[] bytes, int at) => Encoding.UTF8.GetString(bytes.AsSpan(at, Math.Min(40, bytes.Length - at)));
}
