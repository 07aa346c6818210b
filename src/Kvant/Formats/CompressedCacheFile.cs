using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Formats;

/// <summary>
/// A key-value cache on disk in compressed form, mapped into memory: everything that is needed to decode it elsewhere.
/// <c>docs/formats/compressed-cache.md</c> describes the bytes. Every head that is read is checked against its checksum.
/// Any number of threads may read at once.
/// </summary>
public sealed class CompressedCacheFile : IDisposable
{
    private readonly SafetensorsFile _file;
    private readonly CompressedCachePlan _plan;
    private readonly bool[] _queriesVerified;

    private CompressedCacheFile(SafetensorsFile file)
    {
        _file = file;
        CompressedCacheLayout layout = CompressedCacheMetadata.Parse(file);
        try
        {
            _plan = new CompressedCachePlan(layout);
        }
        catch (ArgumentException e)
        {
            throw CompressedCacheMetadata.Invalid(file, e.Message, e);
        }
        _queriesVerified = new bool[layout.Geometry.Layers];
        CheckTensors();
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path => _file.Path;

    /// <summary>The length of the whole file in bytes.</summary>
    public long Length => _file.Length;

    /// <summary>Shape, codecs and source metadata.</summary>
    public CompressedCacheLayout Layout => _plan.Layout;

    /// <summary>Opens a compressed cache and checks everything but the tensors' content.</summary>
    /// <exception cref="InvalidDataException">The file is no compressed cache, is damaged, or contradicts itself.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static CompressedCacheFile Open(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            return new CompressedCacheFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Checks the content of every tensor against its checksum.</summary>
    /// <exception cref="InvalidDataException">A tensor is damaged; the message names it.</exception>
    public void VerifyChecksums()
    {
        foreach (TensorInfo tensor in _file.Tensors) Verify(tensor);
    }

    /// <summary>Decodes all keys of one head.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="kvHead">The key-value head.</param>
    /// <param name="destination">Is filled: tokens x key dimension numbers.</param>
    /// <exception cref="InvalidDataException">The head is damaged.</exception>
    public void ReadKeys(int layer, int kvHead, Span<float> destination) => Read(layer, HeadKind.Key, kvHead, destination);

    /// <summary>Decodes all values of one head.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="kvHead">The key-value head.</param>
    /// <param name="destination">Is filled: tokens x value dimension numbers.</param>
    /// <exception cref="InvalidDataException">The head is damaged.</exception>
    public void ReadValues(int layer, int kvHead, Span<float> destination) => Read(layer, HeadKind.Value, kvHead, destination);

    /// <summary>Reads the queries of one query head, which are stored uncompressed.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="head">The query head.</param>
    /// <param name="destination">Is filled: tokens x key dimension numbers.</param>
    /// <exception cref="InvalidOperationException">The file has no queries.</exception>
    /// <exception cref="InvalidDataException">The queries are damaged.</exception>
    public void ReadQueries(int layer, int head, Span<float> destination) => Read(layer, HeadKind.Query, head, destination);

    /// <summary>Closes the file. May be called twice.</summary>
    public void Dispose() => _file.Dispose();

    internal void Read(int layer, HeadKind kind, int head, Span<float> destination)
    {
        if (kind == HeadKind.Query && Layout.QueryHeads == 0) throw new InvalidOperationException($"{Path} has no queries");
        CheckIndex(layer, Layout.Geometry.Layers, nameof(layer));
        CheckIndex(head, kind == HeadKind.Query ? Layout.QueryHeads : Layout.Geometry.KvHeads, nameof(head));
        int dimension = kind == HeadKind.Value ? Layout.Geometry.ValueDimension : Layout.Geometry.KeyDimension;
        HeadRows.RequireLength(destination.Length, Layout.Tokens, dimension, nameof(destination));
        if (kind == HeadKind.Query) ReadQueryHead(layer, head, destination);
        else ReadHead(layer, kind, head, destination);
        HeadRows.RequireFinite(Path, $"{kind}", layer, head, dimension, destination);
    }

    private static void CheckIndex(int index, int count, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count, name);
    }

    private void CheckTensors()
    {
        int count = 0;
        foreach (TensorDeclaration wanted in _plan.Tensors())
        {
            TensorInfo found = _file.Tensor(wanted.Name);
            if (found.ElementType != wanted.ElementType || !found.Shape.SequenceEqual(wanted.Shape))
                throw _file.InvalidData(found, $"{found} found, {wanted.ElementType.Name()} [{string.Join(", ", wanted.Shape)}] wanted");
            CompressedCacheMetadata.Checksum(_file, CompressedCacheMetadata.ChecksumKey(found.Name));
            count++;
        }
        if (count != _file.Tensors.Count) throw CompressedCacheMetadata.Invalid(_file, $"{_file.Tensors.Count} tensors found, {count} wanted");
    }

    private void Verify(TensorInfo tensor)
    {
        const int Piece = 1 << 24;
        uint found = 0;
        for (long offset = 0; offset < tensor.ByteLength; offset += Piece)
            found = Crc32C.Append(found, _file.Bytes(tensor, offset, (int)Math.Min(Piece, tensor.ByteLength - offset)));
        uint wanted = CompressedCacheMetadata.Checksum(_file, CompressedCacheMetadata.ChecksumKey(tensor.Name));
        if (found != wanted)
            throw _file.InvalidData(tensor, $"the tensor is damaged: its checksum is {CompressedCacheMetadata.Checksum(found)}, {CompressedCacheMetadata.Checksum(wanted)} is wanted");
    }

    private void ReadHead(int layer, HeadKind kind, int head, Span<float> destination)
    {
        Codec codec = _plan.Codec(layer, kind);
        int body = _plan.BodyRows(layer, kind);
        if (body > 0 && codec.StateBytes > 0) codec = Restore(codec, _file.Tensor(CompressedCachePlan.StateName(layer, kind, head)));
        TensorInfo blocks = _file.Tensor(CompressedCachePlan.BlocksName(layer, kind, head));
        Verify(blocks);
        Decode(codec, blocks, destination[..(body * codec.Dimension)]);
        if (body == Layout.Tokens) return;
        TensorInfo tail = _file.Tensor(CompressedCachePlan.TailName(layer, kind, head));
        Verify(tail);
        _file.ReadSingles(tail, 0, destination[(body * codec.Dimension)..]);
    }

    private void ReadQueryHead(int layer, int head, Span<float> destination)
    {
        TensorInfo tensor = _file.Tensor(TraceLayer.QueryName(layer));
        // One checksum covers all heads of the layer; two threads that both check it do no harm.
        if (!_queriesVerified[layer]) Verify(tensor);
        _queriesVerified[layer] = true;
        _file.ReadSingles(tensor, (long)head * destination.Length, destination);
    }

    private Codec Restore(Codec codec, TensorInfo state)
    {
        Verify(state);
        try
        {
            return codec.WithState(_file.Bytes(state));
        }
        catch (ArgumentException e)
        {
            throw _file.InvalidData(state, e.Message);
        }
    }

    private void Decode(Codec codec, TensorInfo blocks, Span<float> destination)
    {
        int blocksAtOnce = Math.Max(1, (1 << 24) / codec.BytesPerBlock);
        long offset = 0;
        while (!destination.IsEmpty)
        {
            int floats = (int)Math.Min(destination.Length, (long)blocksAtOnce * codec.RowsPerBlock * codec.Dimension);
            int bytes = floats / (codec.RowsPerBlock * codec.Dimension) * codec.BytesPerBlock;
            codec.Decode(_file.Bytes(blocks, offset, bytes), destination[..floats]);
            offset += bytes;
            destination = destination[floats..];
        }
    }
}
