namespace Kvant.Gpu.Memory;

/// <summary>What of a length is free: the first place that is large enough is taken, and what comes back grows together with its neighbors.</summary>
internal sealed class FreeRanges
{
    private readonly SortedList<long, long> _lengths = []; // by where they begin

    /// <summary>All of it is free.</summary>
    public FreeRanges(long length) => _lengths.Add(0, length);

    /// <summary>Takes a piece.</summary>
    public bool TryTake(long length, out long start)
    {
        for (int i = 0; i < _lengths.Count; i++)
        {
            if (_lengths.Values[i] < length)
                continue;
            (start, long free) = (_lengths.Keys[i], _lengths.Values[i]);
            _lengths.RemoveAt(i);
            if (free > length)
                _lengths.Add(start + length, free - length);
            return true;
        }

        start = 0;
        return false;
    }

    /// <summary>Gives a piece back.</summary>
    public void Return(long start, long length)
    {
        _lengths.Add(start, length);
        int i = _lengths.IndexOfKey(start);
        if (i + 1 < _lengths.Count && _lengths.Keys[i + 1] == start + length)
        {
            _lengths[start] += _lengths.Values[i + 1];
            _lengths.RemoveAt(i + 1);
        }

        if (i == 0 || _lengths.Keys[i - 1] + _lengths.Values[i - 1] != start)
            return;
        _lengths[_lengths.Keys[i - 1]] += _lengths[start];
        _lengths.RemoveAt(i);
    }
}
