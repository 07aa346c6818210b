using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>
/// A compressed cache on disk, open for reading: what <c>Save</c> of a cache or <c>kvant compress</c> wrote. Layers are read one at a time, so that
/// little memory goes far. docs/formats/cache.md describes the bytes. One thread at a time.
/// </summary>
public sealed class CacheFile : IDisposable
{
    // Without a pool of the caller's with a limit, which counts, a file may ask for this much and this much per byte of its own: room for a window
    // and a page of each layer, of which a short sequence fills little.
    private const long AllowedBytes = 2L << 30;
    private const long AllowedPerByte = 1024;

    private readonly FileStream _stream;
    private readonly CacheHeader _header;

    private CacheFile(string path, FileStream stream)
    {
        (Path, _stream) = (path, stream);
        var reader = new ChecksummedReader(stream, path);
        _header = CacheHeader.Read(ref reader);
        if (_header.FileBytes != stream.Length)
            throw new InvalidDataException($"{path}: {stream.Length} bytes found, {_header.FileBytes} wanted by the header");
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path { get; }

    /// <summary>The length of the whole file in bytes.</summary>
    public long Length => _header.FileBytes;

    /// <summary>How the cache stores its sequence; without a pool.</summary>
    public KvCacheOptions Options => _header.Options;

    /// <summary>Tokens that every layer has, evicted ones counted.</summary>
    public int Tokens => _header.Extents.Min(extent => extent.Length);

    /// <summary>Query heads of the queries that are carried along; 0 where there are none.</summary>
    public int QueryHeads => _header.Queries is null ? 0 : Options.Geometry.QueryHeads;

    /// <summary>What the source of the rows said about itself, such as a trace's <c>softmax_scale</c>.</summary>
    public IReadOnlyDictionary<string, string> Source => _header.Source;

    /// <summary>What the thawed cache's memory will be spent on.</summary>
    public CacheStatistics Statistics => CacheStatistics.Sum(_header.OwnLayers.Select(_header.StatisticsOf));

    /// <summary>What one layer's memory will be spent on; nothing for one that shares another's.</summary>
    internal CacheStatistics StatisticsOf(int layer) => CacheStatistics.Sum(_header.OwnerOf(layer) == layer ? [_header.StatisticsOf(layer)] : []);

    /// <summary>Opens a cache file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">The file is no cache, its header is damaged, or it is longer or shorter than that says.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static CacheFile Open(string path)
    {
        FileStream stream = MappedFile.OpenStream(path);
        try
        {
            return new CacheFile(path, stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Makes a cache of one layer of the file, its layer 0. Where the pool has no limit, the layer may take 2 GiB and 1,024 times the file's length.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="pool">Where its memory comes from.</param>
    /// <exception cref="InvalidDataException">The layer is damaged, or asks for more.</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room.</exception>
    public KvCache ReadLayer(int layer, PagePool pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Options.Geometry.Layers);
        ArgumentNullException.ThrowIfNull(pool);
        layer = _header.OwnerOf(layer);
        _stream.Position = _header.LayerOffset(layer);
        var reader = new ChecksummedReader(_stream, Path, _stream.Position);
        if (pool.MemoryLimit == long.MaxValue)
            RequireAllowed(reader, _header.StatisticsOf(layer).TotalBytes, _header.FileBytes);
        return Fill(_header, layer, _header.CreateLayer(layer, pool), ref reader);
    }

    /// <summary>Reads everything once and checks it.</summary>
    /// <param name="cancellation">Stops between layers.</param>
    /// <exception cref="InvalidDataException">A layer is damaged.</exception>
    public void Verify(CancellationToken cancellation = default)
    {
        using var pool = new PagePool();
        foreach (int layer in _header.OwnLayers)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadLayer(layer, pool).Dispose();
        }
    }

    /// <summary>Compresses a trace; its queries and metadata are carried along, its other tensors are not.</summary>
    /// <remarks>Without sinks and window: rows that do not fill a block wait, in the trace's precision.</remarks>
    /// <param name="trace">The source.</param>
    /// <param name="path">The file to create or replace; it appears whole or not at all.</param>
    /// <param name="policy">The codecs of each layer.</param>
    /// <param name="layersDone">Is told how many layers are done.</param>
    /// <param name="cancellation">Stops between pieces and leaves no file.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers, or a codec refuses the dimension or a row.</exception>
    /// <exception cref="InvalidDataException">The trace holds a number that is not finite.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Compress(Trace trace, string path, LayerPolicy policy, IProgress<int>? layersDone = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(trace);
        var work = new TraceCompression(trace, policy);
        using AtomicFile file = AtomicFile.Create(path);
        work.Run(file.Stream, layersDone, cancellation);
        file.Commit();
    }

    /// <summary>Decodes the living tokens into a trace with the metadata of the source.</summary>
    /// <param name="path">The file to create or replace; it appears whole or not at all.</param>
    /// <param name="elementType">How the numbers are stored: F16 or F32.</param>
    /// <param name="layersDone">Is told how many layers are done.</param>
    /// <param name="writtenBy">What the trace says under <see cref="Trace.WriterKey"/>; null for what its source says.</param>
    /// <param name="cancellation">Stops between heads and leaves no file.</param>
    /// <exception cref="ArgumentException">A decoded number does not fit F16.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or its layers hold other numbers of tokens, or none.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Decompress(string path, ElementType elementType = ElementType.F16, IProgress<int>? layersDone = null, string? writtenBy = null, CancellationToken cancellation = default)
    {
        int[] living = [.. _header.Extents.Select(e => Math.Min(Options.Sinks, e.Length) + Math.Max(0, e.Length - e.FirstLive)).Distinct()];
        if (living is not [> 0 and int tokens])
            throw new InvalidDataException($"{Path}: layers hold {string.Join(" and ", living)} tokens; a trace has as many in all, and at least one");
        CacheGeometry geometry = Options.Geometry;
        if (!geometry.IsUniform)
            throw new InvalidDataException($"{Path}: the layers differ; those of a trace are alike");
        if ((long)tokens * Math.Max(geometry.KeyDimension, geometry.ValueDimension) > Array.MaxLength)
            throw new InvalidDataException($"{Path}: {tokens} tokens are too many for a trace");
        using TraceWriter writer = TraceWriter.Create(path, geometry, tokens, QueryHeads, elementType, writtenBy is null ? Source : new Dictionary<string, string>(Source) { [Trace.WriterKey] = writtenBy });
        using var pool = new PagePool();
        float[] rows = new float[tokens * Math.Max(geometry.KeyDimension, geometry.ValueDimension)];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            using (KvCache cache = ReadLayer(layer, pool))
            {
                CopyHeads(HeadKind.Key, geometry.KvHeads, geometry.KeyDimension, (head, numbers) => LayerReading.DecodeLiving(cache.Layers[0], 0, head, numbers));
                CopyHeads(HeadKind.Value, geometry.KvHeads, geometry.ValueDimension, (head, numbers) => LayerReading.DecodeLiving(cache.Layers[0], 1, head, numbers));
            }

            CopyHeads(HeadKind.Query, QueryHeads, geometry.KeyDimension, (head, numbers) => ReadQueries(layer, head, numbers));
            layersDone?.Report(layer + 1);

            void CopyHeads(HeadKind kind, int heads, int dimension, Action<int, Span<float>> read)
            {
                for (int head = 0; head < heads; head++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Span<float> numbers = rows.AsSpan(0, tokens * dimension);
                    read(head, numbers);
                    writer.Write(layer, kind, head, numbers);
                }
            }
        }

        writer.Commit();
    }

    /// <summary>Writes the cache with its oldest tokens coded again (<see cref="KvCache.Recode"/>); queries and what the source said are carried along.</summary>
    /// <param name="path">The file to create or replace; it appears whole or not at all.</param>
    /// <param name="policy">One entry per layer.</param>
    /// <param name="tokens">How many, as there; all unless said.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers, or a codec does not take its dimension.</exception>
    /// <exception cref="InvalidOperationException">A codec chooses from tokens that are evicted.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Recode(string path, IReadOnlyList<LayerSpecs> policy, int tokens = int.MaxValue)
    {
        using var pool = new PagePool();
        using KvCache cache = Thaw(pool, expected: null);
        cache.Recode(policy, tokens);
        LayerMemory[] layers = cache.Layers;
        var header = new CacheHeader(
            cache.StoredOptions with { Pool = null }, Array.ConvertAll(layers, l => l.Layout), Array.ConvertAll(layers, l => l.Extent), Array.ConvertAll(layers, l => l.Queries.Tokens), _header.Queries, Source);
        using AtomicFile file = AtomicFile.Create(path);
        var writer = new ChecksummedWriter(file.Stream);
        header.Write(writer);
        foreach (int layer in header.OwnLayers)
            LayerFormat.Write(header, layer, layers[layer], layers[layer].Queries, writer, _header.Queries is null ? null : queries => CopyQueries(layer, queries));
        file.Commit();
    }

    /// <summary>Closes the file. May be called twice.</summary>
    public void Dispose() => _stream.Dispose();

    /// <summary>Makes a cache of a file.</summary>
    /// <param name="reader">Stands at its first byte.</param>
    /// <param name="length">How many bytes there are; null where nobody knows.</param>
    /// <param name="pool">Where memory comes from; null for a pool of the cache's own.</param>
    /// <param name="expected">What the cache must belong to; null for anything.</param>
    internal static KvCache Thaw(ref ChecksummedReader reader, long? length, PagePool? pool, CacheIdentity? expected)
    {
        CacheHeader header = CacheHeader.Read(ref reader);
        if (expected is not null && expected != header.Options.Identity)
            throw reader.InvalidData($"it belongs to {header.Options.Identity ?? new CacheIdentity()}; {expected} is expected");
        if (length < header.FileBytes || (reader.IsWhole && length != header.FileBytes))
            throw reader.InvalidData($"{length} bytes found, {header.FileBytes} wanted by the header");
        long needed = header.OwnLayers.Sum(layer => header.StatisticsOf(layer).TotalBytes);
        if (pool is null)
            RequireAllowed(reader, needed, Math.Min(length ?? 0, header.FileBytes));
        var cache = new KvCache(header.Options with { Pool = pool }, header.Layouts);
        foreach (int layer in header.OwnLayers)
            Fill(header, layer, cache, ref reader);
        cache.Touch();
        return cache;
    }

    internal KvCache Thaw(PagePool? pool, CacheIdentity? expected)
    {
        _stream.Position = 0;
        var reader = new ChecksummedReader(_stream, Path);
        return Thaw(ref reader, _stream.Length, pool, expected);
    }

    private static void RequireAllowed(in ChecksummedReader reader, long needed, long length)
    {
        long allowed = AllowedBytes + (AllowedPerByte * length);
        if (needed > allowed)
            throw reader.InvalidData($"the header asks for {needed} bytes of memory; {allowed} are allowed for this file. A pool of yours would set its own limit");
    }

    // Half a cache is none: its memory goes back.
    private static KvCache Fill(CacheHeader header, int layer, KvCache cache, ref ChecksummedReader reader)
    {
        try
        {
            LayerFormat.Read(header, layer, ref reader, cache.Layers[cache.Layers.Length == 1 ? 0 : layer], cache.Scratch);
            return cache;
        }
        catch
        {
            cache.Dispose();
            throw;
        }
    }

    private void CopyQueries(int layer, ChecksummedWriter writer)
    {
        long left = (long)_header.Extents[layer].Length * QueryHeads * Options.Geometry.KeyDimension * _header.Queries!.Value.Size();
        byte[] piece = new byte[Math.Min(left, 1 << 20)];
        _stream.Position = LayerFormat.QueryOffset(_header, layer);
        for (; left > 0; left -= piece.Length)
        {
            piece = left < piece.Length ? new byte[left] : piece;
            _stream.ReadExactly(piece);
            writer.Write(piece);
        }
    }

    private void ReadQueries(int layer, int head, Span<float> numbers)
    {
        ElementType type = _header.Queries!.Value;
        byte[] bytes = new byte[checked(numbers.Length * type.Size())];
        _stream.Position = LayerFormat.QueryOffset(_header, layer) + ((long)head * bytes.Length);
        _stream.ReadExactly(bytes);
        ElementTypes.ToSingles(type, bytes, numbers);
        HeadRows.RequireFinite(Path, "query", layer, head, Options.Geometry.KeyDimension, numbers);
    }
}
