using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>Turns a trace into a cache file, one layer after the other.</summary>
internal sealed class TraceCompression
{
    private const int TokensAtOnce = 512;

    private readonly Trace _trace;
    private readonly CacheHeader _header;

    /// <summary>Checks what is asked for.</summary>
    /// <exception cref="ArgumentException">The policy has another number of layers, or a codec refuses the dimension.</exception>
    public TraceCompression(Trace trace, LayerPolicy policy)
    {
        _trace = trace;
        KvCacheOptions options = new()
        {
            Geometry = trace.QueryHeads > 0 ? trace.Geometry with { QueryHeads = trace.QueryHeads } : trace.Geometry,
            Policy = policy,
            Sinks = 0,
            Window = 0,
            // Rows are rounded to it as they enter, which must not change them.
            WindowCodec = trace.IsHalfPrecision ? null : CodecSpec.Parse("fp32"),
        };
        LayerLayout[] layouts = LayerLayouts.Create(options);
        ElementType? queries = trace.QueryHeads == 0 ? null : trace.IsHalfPrecision ? ElementType.F16 : ElementType.F32;
        _header = new CacheHeader(options, layouts, Array.ConvertAll(layouts, l => l.AfterAppend(l.Empty, trace.Tokens)), Array.ConvertAll(layouts, Observed), queries, trace.Metadata);
    }

    /// <summary>Writes the file.</summary>
    public void Run(Stream stream, IProgress<int>? layersDone, CancellationToken cancellation)
    {
        var writer = new ChecksummedWriter(stream);
        using var pool = new PagePool();
        _header.Write(writer);
        for (int layer = 0; layer < _trace.Layers; layer++)
        {
            using KvCache cache = _header.CreateLayer(layer, pool);
            Append(cache, layer, cancellation);
            LayerFormat.Write(_header, layer, cache.Layers[0], cache.Layers[0].Queries, writer, queries => WriteQueries(layer, queries, cancellation));
            layersDone?.Report(layer + 1);
        }
    }

    private void Append(KvCache cache, int layer, CancellationToken cancellation)
    {
        for (int first = 0, count; first < _trace.Tokens; first += count)
        {
            cancellation.ThrowIfCancellationRequested();
            count = Math.Min(TokensAtOnce, _trace.Tokens - first);
            float[] keys = Tokens(HeadKind.Key, _trace.KeyDimension), values = Tokens(HeadKind.Value, _trace.ValueDimension);
            try
            {
                if (first == 0 && _header.Observed[layer] > 0)
                    cache.ObserveQueries(0, 0, Queries(layer, count));
                cache.Append(0, keys, values);
            }
            catch (ArgumentException refused)
            {
                throw new ArgumentException($"layer {layer}, tokens from {first} on: {refused.Message}", refused);
            }

            float[] Tokens(HeadKind kind, int dimension) => ReadTokens(layer, kind, _trace.KvHeads, dimension, first, count);
        }
    }

    // Of no queries nothing is heard.
    private int Observed(LayerLayout layout) => _trace.QueryHeads == 0 ? 0 : Math.Min(_trace.Tokens, QueryEnergies.MostTokens(layout));

    private float[] Queries(int layer, int count) => ReadTokens(layer, HeadKind.Query, _trace.QueryHeads, _trace.KeyDimension, 0, count);

    // A trace has heads one after the other, a cache tokens.
    private float[] ReadTokens(int layer, HeadKind kind, int heads, int dimension, int first, int count)
    {
        float[] rows = new float[count * dimension], tokens = new float[count * heads * dimension];
        for (int head = 0; head < heads; head++)
        {
            _trace.Read(layer, kind, head, first, rows);
            for (int t = 0; t < count; t++)
                rows.AsSpan(t * dimension, dimension).CopyTo(tokens.AsSpan(((t * heads) + head) * dimension));
        }

        return tokens;
    }

    private void WriteQueries(int layer, ChecksummedWriter writer, CancellationToken cancellation)
    {
        if (_header.Queries is not { } type)
            return;
        int dimension = _trace.KeyDimension;
        for (int head = 0; head < _trace.QueryHeads; head++)
        {
            for (int first = 0, count; first < _trace.Tokens; first += count)
            {
                cancellation.ThrowIfCancellationRequested();
                count = Math.Min(TokensAtOnce, _trace.Tokens - first);
                float[] rows = new float[count * dimension];
                byte[] bytes = new byte[rows.Length * type.Size()];
                _trace.Read(layer, HeadKind.Query, head, first, rows);
                ElementTypes.FromSingles(type, rows, bytes);
                writer.Write(bytes);
            }
        }
    }
}
