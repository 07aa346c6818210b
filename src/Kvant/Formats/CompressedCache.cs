using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>Turns a trace into a compressed cache file and back.</summary>
public static class CompressedCache
{
    /// <summary>Compresses a trace; its queries and metadata are carried along, its other tensors are not.</summary>
    /// <param name="trace">The source.</param>
    /// <param name="path">The file to create or replace; it appears whole or not at all.</param>
    /// <param name="policy">The codecs of each layer.</param>
    /// <param name="layersDone">Is told how many layers are done.</param>
    /// <param name="cancellation">Stops between heads and leaves no file.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers, or a codec refuses the dimension or a row.</exception>
    /// <exception cref="InvalidDataException">The trace holds a number that is not finite.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Compress(Trace trace, string path, LayerPolicy policy, IProgress<int>? layersDone = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(trace);
        CompressedCacheLayout layout = new()
        {
            Geometry = trace.Geometry,
            Tokens = trace.Tokens,
            Policy = policy,
            QueryHeads = trace.QueryHeads,
            QueryElementType = trace.IsHalfPrecision ? ElementType.F16 : ElementType.F32,
            SourceMetadata = trace.Metadata,
        };
        using CompressedCacheWriter writer = CompressedCacheWriter.Create(path, layout);
        Copy(layout, trace.Read, writer.Write, layersDone, cancellation);
        writer.Commit();
    }

    /// <summary>Decodes a compressed cache into a trace with the metadata of its source.</summary>
    /// <param name="file">The source.</param>
    /// <param name="path">The file to create or replace; it appears whole or not at all.</param>
    /// <param name="elementType">How the numbers are stored: F16 or F32.</param>
    /// <param name="layersDone">Is told how many layers are done.</param>
    /// <param name="writtenBy">What the file says under <see cref="Trace.WriterKey"/>; null for what its source says.</param>
    /// <param name="cancellation">Stops between heads and leaves no file.</param>
    /// <exception cref="ArgumentException">A decoded number does not fit F16.</exception>
    /// <exception cref="InvalidDataException">The source is damaged.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Decompress(CompressedCacheFile file, string path, ElementType elementType = ElementType.F16, IProgress<int>? layersDone = null, string? writtenBy = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        CompressedCacheLayout layout = file.Layout;
        using TraceWriter writer = TraceWriter.Create(path, layout.Geometry, layout.Tokens, layout.QueryHeads, elementType, With(layout.SourceMetadata, writtenBy));
        Copy(layout, file.Read, writer.Write, layersDone, cancellation);
        writer.Commit();
    }

    private static IReadOnlyDictionary<string, string> With(IReadOnlyDictionary<string, string> metadata, string? writtenBy) =>
        writtenBy is null ? metadata : new Dictionary<string, string>(metadata) { [Trace.WriterKey] = writtenBy };

    private delegate void ReadHead(int layer, HeadKind kind, int head, Span<float> rows);

    private delegate void WriteHead(int layer, HeadKind kind, int head, ReadOnlySpan<float> rows);

    private static void Copy(CompressedCacheLayout layout, ReadHead read, WriteHead write, IProgress<int>? layersDone, CancellationToken cancellation)
    {
        CacheGeometry geometry = layout.Geometry;
        float[] keys = new float[layout.Tokens * geometry.KeyDimension];
        float[] values = new float[layout.Tokens * geometry.ValueDimension];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            CopyHeads(layer, HeadKind.Key, geometry.KvHeads, keys);
            CopyHeads(layer, HeadKind.Value, geometry.KvHeads, values);
            CopyHeads(layer, HeadKind.Query, layout.QueryHeads, keys);
            layersDone?.Report(layer + 1);
        }

        void CopyHeads(int layer, HeadKind kind, int heads, float[] rows)
        {
            for (int head = 0; head < heads; head++)
            {
                cancellation.ThrowIfCancellationRequested();
                read(layer, kind, head, rows);
                write(layer, kind, head, rows);
            }
        }
    }
}
