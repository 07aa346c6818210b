using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Formats;

/// <summary>
/// Encodes a key-value cache into a file, head by head in a fixed order: per layer the keys of all heads, the values of all
/// heads, the queries of all query heads (if the layout has them). The file appears whole on <see cref="Commit"/> or not
/// at all; a head that is refused ends the file.
/// </summary>
public sealed class CompressedCacheWriter : IDisposable
{
    private readonly CompressedCachePlan _plan;
    private readonly List<TensorDeclaration> _tensors;
    private readonly OrderedDictionary<string, string> _metadata;
    private readonly SafetensorsWriter _writer;
    private readonly HeadSequence _sequence;
    private uint _queryChecksum;

    private CompressedCacheWriter(string path, CompressedCachePlan plan)
    {
        _plan = plan;
        _tensors = [.. plan.Tensors()];
        _metadata = CompressedCacheMetadata.Describe(plan, _tensors);
        _sequence = new HeadSequence(plan.Layout.Geometry.Layers, plan.Layout.Geometry.KvHeads, plan.Layout.QueryHeads);
        _writer = SafetensorsWriter.Create(path, _tensors, _metadata);
    }

    private CompressedCacheLayout Layout => _plan.Layout;

    /// <summary>Begins a file.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="layout">What will be written.</param>
    /// <exception cref="ArgumentException">The layout contradicts itself or a codec does not take the dimension.</exception>
    /// <exception cref="IOException">The file cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static CompressedCacheWriter Create(string path, CompressedCacheLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return new CompressedCacheWriter(path, new CompressedCachePlan(layout));
    }

    /// <summary>Encodes all keys of one head: tokens x key dimension numbers.</summary>
    /// <exception cref="ArgumentException">The length is wrong, or a row cannot be encoded.</exception>
    /// <exception cref="InvalidOperationException">Another head comes next.</exception>
    public void WriteKeys(int layer, int kvHead, ReadOnlySpan<float> rows) => Write(layer, HeadKind.Key, kvHead, rows);

    /// <summary>Encodes all values of one head: tokens x value dimension numbers.</summary>
    /// <exception cref="ArgumentException">The length is wrong, or a row cannot be encoded.</exception>
    /// <exception cref="InvalidOperationException">Another head comes next.</exception>
    public void WriteValues(int layer, int kvHead, ReadOnlySpan<float> rows) => Write(layer, HeadKind.Value, kvHead, rows);

    /// <summary>Stores all queries of one query head as they are: tokens x key dimension numbers.</summary>
    /// <exception cref="ArgumentException">The length is wrong, or a number does not fit the element type.</exception>
    /// <exception cref="InvalidOperationException">Another head comes next.</exception>
    public void WriteQueries(int layer, int head, ReadOnlySpan<float> rows) => Write(layer, HeadKind.Query, head, rows);

    /// <summary>Writes the checksums and puts the complete file in its place.</summary>
    /// <exception cref="InvalidOperationException">Heads are missing; no file is left.</exception>
    /// <exception cref="IOException">The file could not be flushed or renamed.</exception>
    public void Commit()
    {
        byte[] header = SafetensorsHeaderWriter.Format(_metadata, _tensors);
        CompressedCacheMetadata.Seal(header);
        _writer.CommitHeader(header);
    }

    /// <summary>Removes the temporary file unless it was committed. May be called twice.</summary>
    public void Dispose() => _writer.Dispose();

    internal void Write(int layer, HeadKind kind, int head, ReadOnlySpan<float> rows)
    {
        _sequence.RequireNext(layer, kind, head);
        int dimension = kind == HeadKind.Value ? Layout.Geometry.ValueDimension : Layout.Geometry.KeyDimension;
        HeadRows.RequireLength(rows.Length, Layout.Tokens, dimension, nameof(rows));
        try
        {
            if (kind == HeadKind.Query) WriteQueryHead(layer, head, rows);
            else WriteHead(layer, kind, head, rows);
        }
        catch
        {
            // Part of the head may be in the file: it must not be completed by something else.
            Dispose();
            throw;
        }
        _sequence.Advance();
    }

    private void WriteQueryHead(int layer, int head, ReadOnlySpan<float> rows)
    {
        HeadRows.RequireStorable(Layout.QueryElementType, layer, HeadKind.Query, head, Layout.Geometry.KeyDimension, rows);
        _queryChecksum = HeadRows.Write(_writer, Layout.QueryElementType, rows, head == 0 ? 0 : _queryChecksum);
        if (head == Layout.QueryHeads - 1) SetChecksum(TraceLayer.QueryName(layer), _queryChecksum);
    }

    private void WriteHead(int layer, HeadKind kind, int head, ReadOnlySpan<float> rows)
    {
        Codec codec = _plan.Codec(layer, kind);
        int body = _plan.BodyRows(layer, kind) * codec.Dimension;
        HeadRows.RequireStorable(ElementType.F32, layer, kind, head, codec.Dimension, rows);
        if (body > 0)
        {
            codec = codec.Calibrate(rows[..body]);
            if (codec.StateBytes > 0)
            {
                _writer.Write(codec.State);
                SetChecksum(CompressedCachePlan.StateName(layer, kind, head), Crc32C.Compute(codec.State));
            }
        }
        SetChecksum(CompressedCachePlan.BlocksName(layer, kind, head), EncodeBlocks(codec, layer, kind, head, rows[..body]));
        if (body == rows.Length) return;
        // The rows that do not fill a block stay in 16-bit floats.
        HeadRows.RequireStorable(ElementType.F16, layer, kind, head, codec.Dimension, rows[body..], body / codec.Dimension);
        SetChecksum(CompressedCachePlan.TailName(layer, kind, head), HeadRows.Write(_writer, ElementType.F16, rows[body..]));
    }

    // Finds the block that the codec refused, so that the message can name its token; only errors pay for it.
    private static ArgumentException Refused(Codec codec, int layer, HeadKind kind, int head, ReadOnlySpan<float> rows, int token)
    {
        int floatsPerBlock = codec.RowsPerBlock * codec.Dimension;
        byte[] block = new byte[codec.BytesPerBlock];
        for (; token * codec.Dimension < rows.Length; token += codec.RowsPerBlock)
        {
            try
            {
                codec.Encode(rows.Slice(token * codec.Dimension, floatsPerBlock), block);
            }
            catch (ArgumentException e)
            {
                return new ArgumentException($"layer {layer}, {kind.ToString().ToLowerInvariant()} head {head}, token {token}: {e.InnerException?.Message ?? e.Message}", nameof(rows), e);
            }
        }

        throw new InvalidOperationException("A run of blocks was refused, but none of its blocks is.");
    }

    private uint EncodeBlocks(Codec codec, int layer, HeadKind kind, int head, ReadOnlySpan<float> rows)
    {
        int floatsPerBlock = codec.RowsPerBlock * codec.Dimension;
        int blocks = rows.Length / floatsPerBlock;
        int blocksAtOnce = Math.Min(blocks, Math.Max(1, (1 << 18) / codec.BytesPerBlock));
        byte[] buffer = new byte[blocksAtOnce * codec.BytesPerBlock];
        uint checksum = 0;
        for (int first = 0; first < blocks; first += blocksAtOnce)
        {
            int count = Math.Min(blocksAtOnce, blocks - first);
            Span<byte> bytes = buffer.AsSpan(0, count * codec.BytesPerBlock);
            try
            {
                codec.Encode(rows.Slice(first * floatsPerBlock, count * floatsPerBlock), bytes);
            }
            catch (ArgumentException)
            {
                throw Refused(codec, layer, kind, head, rows, first * codec.RowsPerBlock);
            }
            _writer.Write(bytes);
            checksum = Crc32C.Append(checksum, bytes);
        }
        return checksum;
    }

    private void SetChecksum(string tensor, uint checksum) =>
        _metadata[CompressedCacheMetadata.ChecksumKey(tensor)] = CompressedCacheMetadata.Checksum(checksum);
}
