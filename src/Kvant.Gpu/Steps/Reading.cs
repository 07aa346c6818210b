using Kvant.Attention;

namespace Kvant.Gpu.Steps;

/// <summary>Caches that are locked for reading, and copies whose memory stays meanwhile.</summary>
internal readonly ref struct Reading
{
    private readonly GpuKvCache[] _copies;

    /// <summary>Locks them.</summary>
    /// <exception cref="ObjectDisposedException">One is disposed; none is locked then.</exception>
    public Reading(ReadOnlySpan<GpuKvCache> copies)
    {
        _copies = copies.ToArray();
        int[] order = [];
        ReadLocks.Enter(Array.ConvertAll(_copies, copy => copy.Cache), ref order);
        int entered = 0;
        try
        {
            for (; entered < _copies.Length; entered++)
                _copies[entered].Enter();
        }
        catch
        {
            Exit(entered);
            throw;
        }
    }

    /// <summary>Lets them go.</summary>
    public void Dispose() => Exit(_copies.Length);

    private void Exit(int entered)
    {
        for (int i = 0; i < _copies.Length; i++)
        {
            if (i < entered)
                _copies[i].Exit();
            _copies[i].Cache.ExitRead();
        }
    }
}
