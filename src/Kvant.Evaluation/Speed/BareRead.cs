using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Evaluation.Speed;

/// <summary>Reads the bytes that attention reads and does nothing with them: as fast as memory, or a processor cache, gives them.</summary>
internal sealed class BareRead
{
    private readonly CacheGeometry _geometry;
    private readonly WorkerTeam _team;
    private readonly Action<int> _work;
    private readonly Vector256<byte>[] _sums;
    private readonly int _splits;
    private KvCache? _cache;
    private PlainRows? _rows;
    private int _next;

    /// <summary>A reader of one shape.</summary>
    /// <param name="geometry">Heads and dimensions.</param>
    /// <param name="team">Threads that all contenders use in turn; they stay the caller's.</param>
    public BareRead(CacheGeometry geometry, WorkerTeam team)
    {
        _geometry = geometry;
        _sums = new Vector256<byte>[team.Size];
        _splits = (team.Size + geometry.KvHeads - 1) / geometry.KvHeads;
        _team = team;
        _work = Work;
    }

    /// <summary>Reads the living tokens of a cache's only layer.</summary>
    public void Read(KvCache cache) => Run(cache, null);

    /// <summary>Reads uncompressed rows.</summary>
    public void Read(PlainRows rows) => Run(null, rows);

    /// <summary>The bytes that <see cref="Read(KvCache)"/> reads.</summary>
    public static long Bytes(KvCache cache) => cache.Read(cache.Geometry.KvHeads, static (reader, heads) =>
    {
        long bytes = 0;
        for (int head = 0; head < heads; head++)
        {
            for (int i = 0; i < reader.RunCount(0); i++)
            {
                CacheRun run = reader.Run(0, head, i);
                bytes += run.Keys.Length + run.Values.Length;
            }
        }

        return bytes;
    });

    private void Run(KvCache? cache, PlainRows? rows)
    {
        (_cache, _rows, _next) = (cache, rows, 0);
        _team.Run(_work);
    }

    private void Work(int worker)
    {
        for (int item = Interlocked.Increment(ref _next) - 1; item < _geometry.KvHeads * _splits; item = Interlocked.Increment(ref _next) - 1)
        {
            int head = item / _splits, split = item % _splits;
            if (_rows is not null)
            {
                Add(worker, Part(_rows.Keys(head), split));
                Add(worker, Part(_rows.Values(head), split));
                continue;
            }

            _cache!.Read((Reads: this, worker, head, split), static (reader, part) => part.Reads.Add(reader, part.worker, part.head, part.split));
        }
    }

    private void Add(CacheReader reader, int worker, int head, int split)
    {
        int runs = reader.RunCount(0);
        for (int i = runs * split / _splits; i < runs * (split + 1) / _splits; i++)
        {
            CacheRun run = reader.Run(0, head, i);
            Add(worker, run.Keys);
            Add(worker, run.Values);
        }
    }

    private ReadOnlySpan<byte> Part(ReadOnlySpan<byte> all, int split)
    {
        int from = (int)((long)all.Length * split / _splits), to = (int)((long)all.Length * (split + 1) / _splits);
        return all[from..to];
    }

    // The sums are kept so that the compiler cannot leave the reading out.
    private void Add(int worker, ReadOnlySpan<byte> bytes)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<byte> sum = Sum512(bytes);
            _sums[worker] += sum.GetLower() + sum.GetUpper();
        }
        else
        {
            _sums[worker] += Sum256(bytes);
        }
    }

    private static Vector512<byte> Sum512(ReadOnlySpan<byte> bytes)
    {
        ref byte start = ref MemoryMarshal.GetReference(bytes);
        nuint at = 0, end = (nuint)bytes.Length, line = (nuint)Vector512<byte>.Count;
        Vector512<byte> a = default, b = default, c = default, d = default;
        for (; at + (4 * line) <= end; at += 4 * line)
        {
            a += Vector512.LoadUnsafe(ref start, at);
            b += Vector512.LoadUnsafe(ref start, at + line);
            c += Vector512.LoadUnsafe(ref start, at + (2 * line));
            d += Vector512.LoadUnsafe(ref start, at + (3 * line));
        }

        for (; at + line <= end; at += line)
            a += Vector512.LoadUnsafe(ref start, at);
        return a + b + c + d;
    }

    private static Vector256<byte> Sum256(ReadOnlySpan<byte> bytes)
    {
        ref byte start = ref MemoryMarshal.GetReference(bytes);
        nuint at = 0, end = (nuint)bytes.Length, line = (nuint)Vector256<byte>.Count;
        Vector256<byte> a = default, b = default, c = default, d = default;
        for (; at + (4 * line) <= end; at += 4 * line)
        {
            a += Vector256.LoadUnsafe(ref start, at);
            b += Vector256.LoadUnsafe(ref start, at + line);
            c += Vector256.LoadUnsafe(ref start, at + (2 * line));
            d += Vector256.LoadUnsafe(ref start, at + (3 * line));
        }

        for (; at + line <= end; at += line)
            a += Vector256.LoadUnsafe(ref start, at);
        return a + b + c + d;
    }
}
