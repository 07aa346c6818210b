using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Memory;

namespace Kvant.Search;

/// <summary>Compressed vectors that are searched where they lie: every query is scored against all of them, straight from the codes, and the best are
/// returned (a <i>flat index</i>).</summary>
/// <remarks>
/// <para>Scores are inner products. For cosine similarity give vectors and queries of length 1.</para>
/// <para>Codes lie as attention reads them fastest, in blocks of rows. The newest vectors that do not fill a block yet, or of which there are too few for a codec
/// that learns from its first rows, wait in 32-bit floats and are scored exactly. What the index holds depends on the vectors and their order
/// alone, not on how they were split into calls.</para>
/// <para>Any number of threads may search at once; <see cref="Add"/> waits for them, and they for it.</para>
/// </remarks>
public sealed partial class VectorIndex : IDisposable
{
    // Scores of a piece of so many bytes, and the piece, stay in the second-level cache.
    private const int PieceBytes = 1 << 17;
    private const int MostRowsOfPiece = 2048;

    private readonly ReaderWriterLockSlim _lock = new();
    private readonly NativeArena _arena = new();
    private readonly List<NativePage> _pieces = [];
    private readonly Arithmetic _arithmetic;
    private readonly SideLayout _kind;
    private readonly CacheScratch _scratch = new();
    private readonly int _blocksPerPiece;
    private Codec _codec;
    private int _encoded; // vectors in blocks
    private float[] _waiting = [];
    private int _waitingCount;
    private bool _ended;

    /// <summary>An empty index.</summary>
    /// <param name="codec">How vectors are stored.</param>
    /// <param name="dimension">Numbers in a vector.</param>
    /// <param name="arithmetic">Floats, or the integers that fast kernels use instead where the codec has them.</param>
    /// <exception cref="ArgumentException">The codec does not take the dimension.</exception>
    public VectorIndex(CodecSpec codec, int dimension, Arithmetic arithmetic = Arithmetic.Fast)
    {
        ArgumentNullException.ThrowIfNull(codec);
        _codec = codec.CreateCodec(dimension, CodecRole.KeyTiles);
        (Spec, _arithmetic, _kind) = (codec, arithmetic, new SideLayout(_codec, CodecSpec.Parse("fp32").CreateCodec(dimension)));
        _blocksPerPiece = Math.Max(1, Math.Min(PieceBytes / _codec.BytesPerBlock, MostRowsOfPiece / _codec.RowsPerBlock));
    }

    /// <summary>How vectors are stored.</summary>
    public CodecSpec Spec { get; }

    /// <summary>Numbers in a vector.</summary>
    public int Dimension => _codec.Dimension;

    /// <summary>Vectors that were added.</summary>
    public int Count
    {
        get
        {
            _lock.EnterReadLock();
            int count = _encoded + _waitingCount;
            _lock.ExitReadLock();
            return count;
        }
    }

    /// <summary>Bytes that the vectors take, those that wait counted as the floats that they are.</summary>
    public long Bytes
    {
        get
        {
            _lock.EnterReadLock();
            long bytes = ((long)_encoded / _codec.RowsPerBlock * _codec.BytesPerBlock) + _codec.State.Length + ((long)_waitingCount * Dimension * sizeof(float));
            _lock.ExitReadLock();
            return bytes;
        }
    }

    private int PieceRows => _blocksPerPiece * _codec.RowsPerBlock;

    /// <summary>Adds vectors behind those that are there.</summary>
    /// <param name="vectors">Any number of them, <see cref="Dimension"/> floats each.</param>
    /// <exception cref="ArgumentException">The length is no multiple of the dimension, a number is NaN or infinite, or too large for the codec. The index is then unchanged.</exception>
    /// <exception cref="InsufficientMemoryException">The system has no memory. The index is then unchanged.</exception>
    /// <exception cref="ObjectDisposedException">The index was disposed.</exception>
    public void Add(ReadOnlySpan<float> vectors)
    {
        int count = Vectors(vectors, nameof(vectors));
        _lock.EnterWriteLock();
        try
        {
            ObjectDisposedException.ThrowIf(_ended, this);
            // Each alone, as a cache does it, since its block may be encoded by a later call.
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<float> vector = vectors.Slice(i * Dimension, Dimension);
                if (!Door.IsAtMost(vector, Door.AlwaysEncodable(Dimension)) && Door.Refusal(_kind, vector, _scratch) is { } reason)
                    throw new ArgumentException($"Vector {i}: {reason}", nameof(vectors));
            }

            int waiting = _waitingCount + count, encoded = _codec.RowsInBlocks(checked(_encoded + waiting)) - _encoded;
            // The beginning of the batch fills the blocks of those that wait; the rest is encoded from where it lies.
            int joined = _waitingCount == 0 ? 0 : Math.Min(encoded, (_waitingCount + _codec.RowsPerBlock - 1) / _codec.RowsPerBlock * _codec.RowsPerBlock);
            int filling = encoded == 0 ? count : Math.Max(0, joined - _waitingCount);
            Reserve(_encoded + encoded, encoded == 0 ? waiting : Math.Max(joined, waiting - encoded));
            vectors[..(filling * Dimension)].CopyTo(_waiting.AsSpan(_waitingCount * Dimension));
            if (encoded > 0)
            {
                Codec codec = Calibrated(vectors);
                Encode(codec, _waiting.AsSpan(0, joined * Dimension), _encoded);
                ReadOnlySpan<float> rest = vectors[(filling * Dimension)..];
                Encode(codec, rest[..((encoded - joined) * Dimension)], _encoded + joined);
                rest[((encoded - joined) * Dimension)..].CopyTo(_waiting);
                (_codec, _encoded) = (codec, _encoded + encoded);
            }

            _waitingCount = waiting - encoded;
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    /// <summary>Reads vectors back, as they are stored.</summary>
    /// <param name="first">The first.</param>
    /// <param name="vectors">Receives as many as fit, <see cref="Dimension"/> floats each.</param>
    /// <exception cref="ArgumentException">The length is no multiple of the dimension.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are not as many.</exception>
    /// <exception cref="ObjectDisposedException">The index was disposed.</exception>
    public void Decode(int first, Span<float> vectors)
    {
        int count = Vectors(vectors, nameof(vectors)), d = Dimension;
        EnterRead();
        try
        {
            ArgumentOutOfRangeException.ThrowIfNegative(first);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(first, _encoded + _waitingCount - count);
            int rows = _codec.RowsPerBlock;
            using var scratch = new AlignedScratch(rows * d);
            for (int done = 0; done < count;)
            {
                int at = first + done, skip = at % rows, taken = Math.Min(rows - skip, count - done);
                if (at >= _encoded)
                {
                    _waiting.AsSpan((at - _encoded) * d, (count - done) * d).CopyTo(vectors[(done * d)..]);
                    return;
                }

                _codec.Decode(Blocks(at / rows, 1), scratch.Floats, at - skip);
                scratch.Floats.Slice(skip * d, taken * d).CopyTo(vectors[(done * d)..]);
                done += taken;
            }
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>Frees the memory, after the calls in progress; twice is fine.</summary>
    public void Dispose()
    {
        _lock.EnterWriteLock();
        if (!_ended)
            _pieces.ForEach(piece => piece.Free());
        _ended = true;
        _pieces.Clear();
        (_encoded, _waitingCount) = (0, 0);
        _lock.ExitWriteLock();
    }

    private void EnterRead()
    {
        _lock.EnterReadLock();
        if (!_ended)
            return;
        _lock.ExitReadLock();
        throw new ObjectDisposedException(nameof(VectorIndex));
    }

    // Blocks of one piece, one after the other.
    private Span<byte> Blocks(int first, int count) =>
        _pieces[first / _blocksPerPiece].Slice((long)(first % _blocksPerPiece) * _codec.BytesPerBlock, count * _codec.BytesPerBlock);

    // Room, before anything changes.
    private void Reserve(int encoded, int waiting)
    {
        while ((long)_pieces.Count * PieceRows < encoded)
            _pieces.Add(_arena.Take((long)_blocksPerPiece * _codec.BytesPerBlock));
        if (_waiting.Length < waiting * Dimension)
            Array.Resize(ref _waiting, checked(waiting * Dimension));
    }

    private Codec Calibrated(ReadOnlySpan<float> vectors)
    {
        int wanted = _codec.CalibrationRows;
        if (_codec.IsCalibrated || _encoded > 0 || wanted == 0)
            return _codec;
        // Nothing is encoded yet: the first of all that wait, and of those that come.
        float[] rows = new float[wanted * Dimension];
        int known = Math.Min(wanted, _waitingCount);
        _waiting.AsSpan(0, known * Dimension).CopyTo(rows);
        vectors[..((wanted - known) * Dimension)].CopyTo(rows.AsSpan(known * Dimension));
        return _codec.Calibrate(rows);
    }

    private void Encode(Codec codec, ReadOnlySpan<float> vectors, int first)
    {
        int rows = codec.RowsPerBlock, block = first / rows, left = vectors.Length / (rows * Dimension);
        while (left > 0)
        {
            int count = Math.Min(left, _blocksPerPiece - (block % _blocksPerPiece)), floats = count * rows * Dimension;
            codec.Encode(vectors[..floats], Blocks(block, count), block * rows);
            vectors = vectors[floats..];
            (block, left) = (block + count, left - count);
        }
    }

    private int Vectors(ReadOnlySpan<float> floats, string name) => floats.Length % Dimension == 0 ? floats.Length / Dimension
        : throw new ArgumentException($"The length is {floats.Length}; it must be a multiple of {Dimension}.", name);
}
