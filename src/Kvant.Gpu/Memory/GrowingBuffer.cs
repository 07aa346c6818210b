namespace Kvant.Gpu.Memory;

/// <summary>A buffer on the device that becomes longer as it must.</summary>
internal sealed class GrowingBuffer(GpuDevice device)
{
    private nint _buffer;
    private long _bytes;

    /// <summary>Makes it as long as it must be; what was in it may be gone.</summary>
    public nint Reserve(long bytes)
    {
        if (_bytes >= bytes && _buffer != 0)
            return _buffer;
        long room = Math.Max(bytes, Math.Min(2 * _bytes, device.Context.LargestBuffer));
        Free();
        _buffer = device.Memory.Allocate(Math.Max(64, room), "A call");
        _bytes = room;
        return _buffer;
    }

    /// <summary>Copies bytes into it.</summary>
    public nint Write(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        device.Context.Write(_buffer, 0, bytes);
        return _buffer;
    }

    /// <summary>Copies bytes out of it.</summary>
    public void Read(Span<byte> bytes) => device.Context.Read(_buffer, 0, bytes);

    /// <summary>Gives it back.</summary>
    public void Free()
    {
        device.Memory.Free(_buffer);
        (_buffer, _bytes) = (0, 0);
    }
}
