using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Memory;

namespace Kvant.Evaluation.Speed;

/// <summary>
/// Reads as many bytes as attention reads, from a place of its own, and does nothing with them: as fast as memory, or a processor cache, gives them.
/// Several long streams side by side, since the hardware fetches each of them ahead: one alone gets three quarters of what a core can read.
/// </summary>
internal sealed class BareRead : IDisposable
{
    private const int Streams = 8;

    // Of 32 bytes: a line of each stream.
    private const int LineBytes = 64;

    private readonly NativePage _page;
    private readonly WorkerTeam _team;
    private readonly Action<int> _work;
    private readonly Vector256<byte>[] _sums;
    private readonly bool _cold;
    private long _at;
    private long _bytes;

    /// <summary>Makes the place.</summary>
    /// <param name="most">The most bytes of one read; a place to walk through is larger.</param>
    /// <param name="cold">Whether each read takes the next bytes, and not the same again.</param>
    /// <param name="team">Threads that all contenders use in turn; they stay the caller's.</param>
    public BareRead(long most, bool cold, WorkerTeam team)
    {
        _page = new NativeArena().Take(most);
        // Pages that nobody wrote to are all the same one.
        for (long at = 0; at < most; at += int.MaxValue)
            _page.Slice(at, (int)Math.Min(int.MaxValue, most - at)).Fill(1);
        (_cold, _team, _work, _sums) = (cold, team, Work, new Vector256<byte>[team.Size]);
    }

    /// <summary>Reads so many bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More than the place holds.</exception>
    public void Read(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _page.Bytes);
        _at = _cold && _at + _bytes + bytes <= _page.Bytes ? _at + _bytes : 0;
        _bytes = bytes;
        _team.Run(_work);
    }

    /// <summary>The bytes that attention reads of a cache's only layer.</summary>
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

    /// <summary>Frees the place.</summary>
    public void Dispose() => _page.Free();

    private void Work(int worker)
    {
        long from = _bytes * worker / _team.Size, stream = ((_bytes * (worker + 1) / _team.Size) - from) / Streams / LineBytes * LineBytes;
        // The sums are kept so that the compiler cannot leave the reading out.
        _sums[worker] += Sum(_page.Slice(_at + from, checked((int)(stream * Streams))), (nuint)stream);
    }

    private static Vector256<byte> Sum(ReadOnlySpan<byte> bytes, nuint stream)
    {
        ref byte start = ref MemoryMarshal.GetReference(bytes);
        Vector256<byte> a = default, b = default;
        for (nuint at = 0; at < stream; at += LineBytes)
        {
            for (nuint i = 0, first = at; i < Streams; i++, first += stream)
            {
                a += Vector256.LoadUnsafe(ref start, first);
                b += Vector256.LoadUnsafe(ref start, first + 32);
            }
        }

        return a + b;
    }
}
