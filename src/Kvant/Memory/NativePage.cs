using System.Diagnostics;

namespace Kvant.Memory;

/// <summary>A piece of native memory that begins at a cache line and counts its users; a <see cref="NativeArena"/> makes it. What it holds at
/// first is left over from others.</summary>
/// <param name="segment">Where it lies; lives as long as the page.</param>
/// <param name="at">Where it begins there.</param>
/// <param name="lines">Its length in whole cache lines.</param>
/// <param name="bytes">Its length.</param>
internal sealed unsafe partial class NativePage(NativeSegment segment, long at, long lines, long bytes)
{
    /// <summary>Where it begins, and what long-lived parts of it should begin at too.</summary>
    public const int Alignment = 64;

    private (NativeSegment Segment, long At, long Lines) _place = (segment, at, lines);
    private nint _start = segment.Start + (nint)at; // 0 while it is away
    private int _users = 1;

    /// <summary>Its length.</summary>
    public long Bytes { get; } = bytes;

    /// <summary>How many hold it.</summary>
    public int Users => Volatile.Read(ref _users);

    private byte* Start
    {
        get
        {
            nint start = Volatile.Read(ref _start);
            return (byte*)(start == 0 ? ComeHome() : start);
        }
    }

    /// <summary>A part of it. What is away comes home first, which may be refused.</summary>
    public Span<byte> Slice(long start, int length)
    {
        Debug.Assert(start >= 0 && length >= 0 && start + length <= Bytes, "Outside the page.");
        return new Span<byte>(Start + start, length);
    }

    /// <summary>Fills it with what another page of its length holds.</summary>
    public void CopyFrom(NativePage other) => Buffer.MemoryCopy(other.Start, Start, Bytes, other.Bytes);

    /// <summary>One more holds it.</summary>
    public void AddUser() => Interlocked.Increment(ref _users);

    /// <summary>One less holds it; true if that was the last.</summary>
    public bool RemoveUser() => Interlocked.Decrement(ref _users) == 0;

    /// <summary>Ends its life; nobody may hold it.</summary>
    public void Free() => _place.Segment.GiveBack(_place.At, _place.Lines);
}
