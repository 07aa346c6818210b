using System.Diagnostics;

namespace Kvant.Memory;

// A page whose bytes lie elsewhere, and whose memory others have meanwhile. It leaves while nobody looks at it, and comes home when somebody does.
internal sealed unsafe partial class NativePage
{
    private Absence? _absence; // the last one

    /// <summary>Whether its bytes lie elsewhere.</summary>
    public bool IsAway => Volatile.Read(ref _start) == 0;

    /// <summary>Leaves its bytes to somebody who has them. One user alone holds it, who keeps others from it meanwhile.</summary>
    /// <param name="bytes">Who; one user more, of the caller's making.</param>
    /// <param name="source">Where memory comes from when they are wanted.</param>
    /// <returns>The memory that it had, as a page that nobody holds.</returns>
    public NativePage Leave(IAwayBytes bytes, IPageSource source)
    {
        Debug.Assert(Users == 1 && !IsAway, "Others hold the page, or it has left.");
        NativePage memory = new(_place.Segment, _place.At, _place.Lines, Bytes);
        memory.RemoveUser();
        _absence = new(bytes, source);
        Volatile.Write(ref _start, 0);
        return memory;
    }

    /// <summary>Has its bytes here, if there is room. Any number of threads may ask at once.</summary>
    /// <exception cref="InvalidOperationException">They cannot be had; the page stays away.</exception>
    public bool TryComeHome()
    {
        if (!IsAway)
            return true;
        Absence absence = _absence!;
        lock (absence.Lock)
        {
            if (!IsAway)
                return true; // another thread was faster
            if (!absence.Source.TryRent(Bytes, out NativePage memory))
                return false;
            try
            {
                absence.Bytes!.Read(memory.Slice(0, checked((int)Bytes)));
            }
            catch
            {
                absence.Source.Return(memory);
                throw;
            }

            _place = memory._place;
            Volatile.Write(ref _start, memory._start); // whoever sees it sees the bytes
            absence.Bytes.RemoveUser();
            absence.Bytes = null;
            return true;
        }
    }

    /// <summary>Who has its bytes, with one user more; null where they are here, or somebody of another kind has them.</summary>
    public T? Lend<T>()
        where T : class, IAwayBytes
    {
        if (_absence is not { } absence)
            return null;
        // Nobody else may give them up in between.
        lock (absence.Lock)
        {
            if (absence.Bytes is not T bytes)
                return null;
            bytes.AddUser();
            return bytes;
        }
    }

    /// <summary>Gives up bytes that lie elsewhere, of a page that nobody holds.</summary>
    /// <returns>Whether they did; if not, there is memory to return.</returns>
    public bool TryForget()
    {
        if (!IsAway)
            return false;
        _absence!.Bytes!.RemoveUser();
        return true;
    }

    private nint ComeHome() => TryComeHome() ? _start : throw _absence!.Source.Full(Bytes);

    private sealed class Absence(IAwayBytes bytes, IPageSource source)
    {
        public Lock Lock { get; } = new();

        public IPageSource Source => source;

        public IAwayBytes? Bytes { get; set; } = bytes; // null as it ends
    }
}
