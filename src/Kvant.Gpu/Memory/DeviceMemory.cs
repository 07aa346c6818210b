using Kvant.Gpu.Drivers;

namespace Kvant.Gpu.Memory;

/// <summary>
/// The memory of a device up to a limit: pieces for caches, cut out of at most ten large buffers (slabs), which a kernel gets all of; and buffers of their own for what a call needs.
/// </summary>
/// <remarks>Slabs are made as they are needed, each as large as all before it, so that a small cache takes little.</remarks>
internal sealed class DeviceMemory(DeviceContext context, long limit) : IDisposable
{
    /// <summary>Slabs that kernels take.</summary>
    public const int MostSlabs = 10;

    /// <summary>How many times the largest buffer the limit may be: the last slabs are a quarter of it.</summary>
    public const int MostLargest = 4;

    /// <summary>Where pieces begin, and what their lengths are multiples of.</summary>
    public const int Alignment = 64;

    private const long Smallest = 1 << 16;

    private readonly Lock _lock = new();
    private readonly List<Slab> _slabs = [];
    private readonly Dictionary<nint, long> _buffers = [];
    private long _used;
    private long _held; // slabs and buffers, whatever of them is free
    private bool _disposed;

    /// <summary>The most bytes.</summary>
    public long Limit => limit;

    /// <summary>Bytes of pieces and buffers that somebody holds.</summary>
    public long UsedBytes
    {
        get { lock (_lock) return _used; }
    }

    /// <summary>The buffers of the slabs.</summary>
    /// <param name="buffers">Receives <see cref="MostSlabs"/> of them; those that are not there are left alone.</param>
    public void CopySlabs(Span<nint> buffers)
    {
        lock (_lock)
        {
            for (int i = 0; i < _slabs.Count; i++)
                buffers[i] = _slabs[i].Buffer != 0 ? _slabs[i].Buffer : buffers[i];
        }
    }

    /// <summary>A piece.</summary>
    /// <param name="bytes">At least so many.</param>
    /// <param name="what">What for, for the message.</param>
    /// <exception cref="GpuException">The limit leaves no room; nothing is taken then.</exception>
    public DeviceRange Take(long bytes, string what)
    {
        long rounded = Math.Max(Alignment, (bytes + Alignment - 1) / Alignment * Alignment);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(GpuDevice));
            for (int i = 0; i < MostSlabs; i++)
            {
                if (i == _slabs.Count)
                    _slabs.Add(new());
                if (_slabs[i].Buffer == 0 && !TryMake(_slabs[i], rounded))
                    continue;
                if (!_slabs[i].Free.TryTake(rounded, out long offset))
                    continue;
                (_used, _slabs[i].Used) = (_used + rounded, _slabs[i].Used + rounded);
                return new(i, offset, rounded);
            }

            throw Full(rounded, what);
        }
    }

    /// <summary>Gives a piece back.</summary>
    public void Return(DeviceRange range)
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            Slab slab = _slabs[range.Slab];
            slab.Free.Return(range.Offset, range.Bytes);
            (_used, slab.Used) = (_used - range.Bytes, slab.Used - range.Bytes);
        }
    }

    /// <summary>Copies bytes into a piece.</summary>
    public void Write(DeviceRange range, long offset, ReadOnlySpan<byte> bytes)
    {
        nint buffer;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(GpuDevice));
            buffer = _slabs[range.Slab].Buffer;
        }

        context.Write(buffer, range.Offset + offset, bytes);
    }

    /// <summary>Copies bytes out of a piece.</summary>
    public void Read(DeviceRange range, long offset, Span<byte> bytes)
    {
        nint buffer;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(GpuDevice));
            buffer = _slabs[range.Slab].Buffer;
        }

        context.Read(buffer, range.Offset + offset, bytes);
    }

    /// <summary>A buffer of its own.</summary>
    /// <exception cref="GpuException">The limit leaves no room.</exception>
    public nint Allocate(long bytes, string what)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(GpuDevice));
            // Slabs that nobody needs now make room before the limit refuses.
            if (bytes > limit - _held)
                FreeEmptySlabs();
            if (bytes > limit - _held)
                throw Full(bytes, what);
            nint buffer = context.Allocate(bytes);
            _buffers.Add(buffer, bytes);
            (_used, _held) = (_used + bytes, _held + bytes);
            return buffer;
        }
    }

    /// <summary>Copies bytes to the beginning of a buffer.</summary>
    public void WriteBuffer(nint buffer, ReadOnlySpan<byte> bytes) => context.Write(buffer, 0, bytes);

    /// <summary>Gives a buffer back; 0 is none.</summary>
    public void Free(nint buffer)
    {
        lock (_lock)
        {
            if (_disposed || !_buffers.Remove(buffer, out long bytes))
                return;
            context.Free(buffer);
            (_used, _held) = (_used - bytes, _held - bytes);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            foreach (Slab slab in _slabs.Where(slab => slab.Buffer != 0))
                context.Free(slab.Buffer);
            foreach (nint buffer in _buffers.Keys)
                context.Free(buffer);
            _used = 0;
        }
    }

    // As large as those before it together, and at least as large as a piece that must fit: with the first at 1/256 of the limit, ten make all of it.
    private bool TryMake(Slab slab, long atLeast)
    {
        long together = _slabs.Sum(other => other.Bytes), most = Math.Min(context.LargestBuffer, limit - _held), first = Math.Max(Smallest, limit / 256);
        long bytes = Math.Min(Math.Max(Math.Clamp(together, first, Math.Max(first, limit / MostLargest)), atLeast), most) / Alignment * Alignment;
        if (bytes < atLeast)
            return false;
        slab.Buffer = context.Allocate(bytes);
        (slab.Bytes, slab.Free, _held) = (bytes, new FreeRanges(bytes), _held + bytes);
        return true;
    }

    private void FreeEmptySlabs()
    {
        foreach (Slab slab in _slabs.Where(slab => slab.Buffer != 0 && slab.Used == 0))
        {
            context.Free(slab.Buffer);
            _held -= slab.Bytes;
            (slab.Buffer, slab.Bytes) = (0, 0);
        }
    }

    private GpuException Full(long bytes, string what) =>
        new($"{what} needs {bytes} bytes of the device; {_used} of at most {limit} are in use, and {_held - _used} more are held for caches.");

    private sealed class Slab
    {
        public nint Buffer { get; set; } // 0 where it is not made

        public long Bytes { get; set; }

        public long Used { get; set; }

        public FreeRanges Free { get; set; } = new(0);
    }
}
