namespace Kvant.Gpu.Tests.Cuda;

/// <summary>The allocations of a device as a launch sees them: a kernel may touch nothing else.</summary>
internal sealed class PtxAllocations
{
    private readonly ulong[] _starts, _ends;
    private int _last;

    public PtxAllocations(IEnumerable<(ulong Start, ulong Bytes)> allocations)
    {
        (ulong Start, ulong Bytes)[] sorted = [.. allocations.OrderBy(x => x.Start)];
        _starts = [.. sorted.Select(x => x.Start)];
        _ends = [.. sorted.Select(x => x.Start + x.Bytes)];
    }

    /// <summary>Whether bytes lie within one allocation.</summary>
    public bool Contains(ulong address, int bytes)
    {
        if (_last < _starts.Length && address >= _starts[_last] && address < _ends[_last])
            return _ends[_last] - address >= (ulong)bytes;
        int found = Array.BinarySearch(_starts, address);
        found = found < 0 ? ~found - 1 : found;
        if (found < 0 || address >= _ends[found])
            return false;
        _last = found;
        return _ends[found] - address >= (ulong)bytes;
    }
}
