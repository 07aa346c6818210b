using Kvant.Caching;
using Kvant.Formats;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>A segment as a cache, a layer at a time: a cache file's header, and what turns its layers into bytes and back.</summary>
internal sealed class SegmentCache
{
    // A page of a layer of which a short sequence fills little; windows are no longer than what they hold.
    private const long AllowedBytes = 64L << 20;
    private const long AllowedPerByte = 1024;
    private const int LongestHeader = 16 << 20;

    private readonly CacheHeader _header;

    private SegmentCache(Segment segment, CacheHeader header) => (Segment, _header) = (segment, header);

    /// <summary>Which cells.</summary>
    public Segment Segment { get; }

    /// <summary>How it is compressed.</summary>
    public KvCacheOptions Options => _header.Options;

    /// <summary>The longest that a header may be.</summary>
    public static long MostHeaderBytes => LongestHeader;

    /// <summary>An empty one.</summary>
    /// <param name="segment">Which cells.</param>
    /// <param name="shapes">Of its layers, those that are floats.</param>
    /// <param name="policy">As many.</param>
    /// <param name="options">What else is asked for.</param>
    /// <exception cref="ArgumentException">A codec does not take the dimension.</exception>
    public static SegmentCache Create(Segment segment, LayerGeometry[] shapes, LayerPolicy policy, LlamaStateOptions options)
    {
        CacheGeometry geometry = new()
        {
            Layers = shapes.Length,
            KvHeads = shapes[0].KvHeads,
            KeyDimension = shapes[0].KeyDimension,
            ValueDimension = shapes[0].ValueDimension,
            Rotary = segment.IsConsecutive ? shapes[0].Rotary : null,
        };
        KvCacheOptions cache = new()
        {
            Geometry = geometry.WithLayers((layer, _) => shapes[layer] with { Rotary = segment.IsConsecutive ? shapes[layer].Rotary : null }),
            Policy = policy,
            Sinks = Math.Min(options.Sinks, segment.Count),
            Window = Math.Min(options.Window, segment.Count),
        };
        LayerLayout[] layouts = LayerLayouts.Create(cache);
        return new(segment, new CacheHeader(cache, layouts, Array.ConvertAll(layouts, layout => layout.AfterAppend(layout.Empty, segment.Count))));
    }

    /// <summary>One from the bytes of its header.</summary>
    /// <exception cref="InvalidDataException">They are none of such a segment.</exception>
    public static SegmentCache Read(Segment segment, byte[] bytes, LayerRows[] rows, string name)
    {
        var reader = new ChecksummedReader(bytes, name);
        CacheHeader header = CacheHeader.Read(ref reader);
        CacheGeometry geometry = header.Options.Geometry;
        bool fits = reader.Position == bytes.Length && geometry.Layers == rows.Length && header.Queries is null && header.Source.Count == 0
            && header.Options is { DraftTokens: 0, MemoryLimit: null, WindowCodec: null, Identity: null } && header.Options.Eviction == Eviction.None && header.Options.Policy.All(specs => specs.Eviction is null || specs.Eviction == Eviction.None);
        for (int layer = 0; fits && layer < rows.Length; layer++)
        {
            LayerGeometry shape = geometry[layer];
            LayerExtent extent = header.Extents[layer];
            fits = shape is { SlidingWindow: 0, ValuesInKeys: false, SharedLayer: null } && (long)shape.KvHeads * shape.KeyDimension == rows[layer].KeyWidth
                && (long)shape.KvHeads * shape.ValueDimension == rows[layer].ValueWidth && extent.Length == segment.Count && extent.FirstLive == header.Options.Sinks && header.Observed[layer] == 0;
        }

        return fits ? new(segment, header) : throw new InvalidDataException($"{name}: the cache of a segment of {segment.Count} tokens is not of the state's layers");
    }

    /// <summary>The bytes of the header.</summary>
    public byte[] HeaderBytes()
    {
        using var stream = new MemoryStream();
        _header.Write(new ChecksummedWriter(stream));
        return stream.ToArray();
    }

    /// <summary>Bytes of a layer.</summary>
    public long LayerBytes(int layer) => _header.LayerOffset(layer + 1) - _header.LayerOffset(layer);

    /// <summary>Compresses a layer.</summary>
    /// <param name="layer">Which one.</param>
    /// <param name="keys">[token, number], in the order of the segment.</param>
    /// <param name="values">As many.</param>
    /// <param name="pool">Where memory comes from.</param>
    /// <param name="crew">Threads that encode.</param>
    /// <exception cref="ArgumentException">A number cannot be stored.</exception>
    public ReadOnlyMemory<byte> Compress(int layer, TokenRows keys, TokenRows values, PagePool pool, ICrew crew)
    {
        using KvCache cache = _header.CreateLayer(layer, pool);
        cache.Append(0, keys, values, crew);
        var stream = new MemoryStream((int)LayerBytes(layer));
        LayerFormat.Write(_header, layer, cache.Layers[0], cache.Layers[0].Queries, new ChecksummedWriter(stream));
        return stream.GetBuffer().AsMemory(0, (int)stream.Length);
    }

    /// <summary>Reads a layer, with all checks; dispose what comes back.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public KvCache Read(int layer, byte[] bytes, PagePool pool, string name)
    {
        long needed = _header.StatisticsOf(layer).TotalBytes, allowed = AllowedBytes + (AllowedPerByte * bytes.Length);
        if (bytes.Length != LayerBytes(layer) || needed > allowed)
            throw new InvalidDataException($"{name}: layer {layer} has {bytes.Length} bytes and wants {needed} of memory; {LayerBytes(layer)} and at most {allowed} are right");
        KvCache cache = _header.CreateLayer(layer, pool);
        try
        {
            var reader = new ChecksummedReader(bytes, name);
            LayerFormat.Read(_header, layer, ref reader, cache.Layers[0], cache.Scratch);
            return cache;
        }
        catch
        {
            cache.Dispose();
            throw;
        }
    }
}
