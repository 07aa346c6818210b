using System.Runtime.InteropServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Memory of the card: that of the process, by its addresses.</summary>
internal static unsafe partial class FakeCuda
{
    private const int Alignment = 512;
    private static readonly Dictionary<ulong, (nint Start, nuint Bytes)> Memory = [];
    private static readonly List<nint> Freed = [];
    private static int _running;

    /// <summary>Allocations as a launch sees them.</summary>
    private static PtxAllocations Seen() => new(Memory.Values.Select(x => ((ulong)x.Start, (ulong)x.Bytes)));

    /// <summary>Memory that a kernel may touch that runs now is kept until none does.</summary>
    private static void Release(nint start)
    {
        Freed.Add(start);
        if (_running > 0)
            return;
        foreach (nint freed in Freed)
            NativeMemory.AlignedFree((void*)freed);
        Freed.Clear();
    }

    [UnmanagedCallersOnly]
    private static int MemAlloc(ulong* pointer, nuint bytes) => Call("cuMemAlloc_v2", true, () =>
    {
        if (pointer == null || bytes == 0)
            return CudaResult.InvalidValue;
        long used = Memory.Values.Sum(x => (long)x.Bytes);
        if (bytes > (nuint)(TotalMemory - used))
            return CudaResult.OutOfMemory;
        // What lies around it belongs to nobody: copies and kernels that run over it are seen.
        var start = (nint)NativeMemory.AlignedAlloc(bytes + Alignment, Alignment);
        NativeMemory.Fill((void*)start, bytes + Alignment, 0xA5);
        Memory.Add((ulong)start, (start, bytes));
        *pointer = (ulong)start;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int MemFree(ulong pointer) => Call("cuMemFree_v2", true, () =>
    {
        if (pointer == 0)
            return CudaResult.Success;
        if (!Memory.Remove(pointer, out (nint Start, nuint Bytes) freed))
            return CudaResult.InvalidValue;
        Release(freed.Start);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int MemcpyToDevice(ulong to, void* from, nuint bytes, nint stream) => Call("cuMemcpyHtoDAsync_v2", true, () => Transfer((void*)to, from, to, bytes, stream));

    [UnmanagedCallersOnly]
    private static int MemcpyToHost(void* to, ulong from, nuint bytes, nint stream) => Call("cuMemcpyDtoHAsync_v2", true, () => Transfer(to, (void*)from, from, bytes, stream));

    private static CudaResult Transfer(void* to, void* from, ulong device, nuint bytes, nint stream)
    {
        if (!IsStream(stream))
            return CudaResult.InvalidHandle;
        if (bytes == 0)
            return CudaResult.Success;
        bool known = Memory.Values.Any(x => device >= (ulong)x.Start && device < (ulong)x.Start + x.Bytes && bytes <= (ulong)x.Start + x.Bytes - device);
        if (to == null || from == null || !known)
            return CudaResult.InvalidValue;
        Buffer.MemoryCopy(from, to, bytes, bytes);
        return CudaResult.Success;
    }
}
