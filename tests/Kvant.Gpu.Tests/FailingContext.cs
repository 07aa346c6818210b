using Kvant.Gpu.Drivers;

namespace Kvant.Gpu.Tests;

/// <summary>A device whose driver fails once, at a call that the test names.</summary>
internal sealed class FailingContext(DeviceContext inner) : DeviceContext
{
    private long _readBytes;
    private int _reads;

    /// <summary>How many calls go well before one fails; none fails where it is negative.</summary>
    public int CallsBeforeFailure { get; set; } = -1;

    /// <summary>What happens once, when work is about to begin.</summary>
    public Action? BeforeLaunch { get; set; }

    /// <summary>Kernels that were asked for, by their names.</summary>
    public HashSet<string> Asked { get; } = [];

    /// <summary>Bytes that went to the device.</summary>
    public long WrittenBytes { get; private set; }

    /// <summary>Bytes that came from it.</summary>
    public long ReadBytes => Volatile.Read(ref _readBytes);

    /// <summary>How many times some did.</summary>
    public int Reads => Volatile.Read(ref _reads);

    public override long LargestBuffer => inner.LargestBuffer;

    public override nint Allocate(long bytes)
    {
        Count();
        return inner.Allocate(bytes);
    }

    public override void Free(nint buffer) => inner.Free(buffer);

    public override void Write(nint buffer, long offset, ReadOnlySpan<byte> bytes)
    {
        Count();
        inner.Write(buffer, offset, bytes);
        WrittenBytes += bytes.Length;
    }

    public override void Read(nint buffer, long offset, Span<byte> bytes)
    {
        Count();
        inner.Read(buffer, offset, bytes);
        Interlocked.Add(ref _readBytes, bytes.Length);
        Interlocked.Increment(ref _reads);
    }

    public override nint Kernel(KernelSource source, string options, string name)
    {
        Count();
        Asked.Add(name);
        return inner.Kernel(source, options, name);
    }

    public override string? WhyNot(KernelSource source, string options) => inner.WhyNot(source, options);

    public override void Launch(nint kernel, int groups, ReadOnlySpan<nint> buffers)
    {
        Count();
        Action? before = BeforeLaunch;
        BeforeLaunch = null;
        before?.Invoke();
        inner.Launch(kernel, groups, buffers);
    }

    public override void Dispose() => inner.Dispose();

    private void Count()
    {
        if (CallsBeforeFailure >= 0 && CallsBeforeFailure-- == 0)
            throw new GpuException("The device was lost.");
    }
}
