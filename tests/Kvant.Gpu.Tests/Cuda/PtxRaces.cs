using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Sees that threads touch a byte of shared memory without a barrier between them, one of them to write it.</summary>
internal sealed unsafe class PtxRaces(int bytes, bool allowSameValue)
{
    // A touch in bits from the lowest: 10 of the thread, whether it was atomic, whether other threads did so too, 20 of the line, 14 of the phase of the warp, 18 of the phase of the group. Zero is none.
    private const ulong Thread = 1023, Atomic = 1 << 10, Several = 1 << 11, Warp = 0x3FFFul << WarpShift, Lasting = (1ul << WarpShift) - 1;
    private const int LineShift = 12, WarpShift = 32, PhaseShift = 46;
    private readonly ulong[] _writers = new ulong[bytes], _readers = new ulong[bytes];
    private readonly ulong[] _warps = new ulong[32];
    private ulong _phase;

    /// <summary>Another phase begins: what was touched before is touched in order.</summary>
    public void Barrier()
    {
        _phase += 1ul << PhaseShift;
        if (_phase == 0)
        {
            Array.Clear(_writers);
            Array.Clear(_readers);
            _phase = 1ul << PhaseShift;
        }

        Array.Clear(_warps);
    }

    /// <summary>Threads of one warp have waited for each other.</summary>
    public void WarpBarrier(int warp)
    {
        _warps[warp] += 1ul << WarpShift;
        if (_warps[warp] == Warp)
            throw new NotSupportedException("More waits of a warp between two barriers than are told apart.");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Read(PtxGroup group, int offset, int count, PtxInstruction* i)
    {
        ulong touch = Touch(group, i), phase = _phase;
        if (count == 4 && ReadWord(offset, touch))
            return;
        Span<ulong> writers = _writers.AsSpan(offset, count), readers = _readers.AsSpan(offset, count);
        for (int k = 0; k < writers.Length; k++)
        {
            // Most of what is read lies still since the barrier.
            if (writers[k] >= phase && Conflicts(writers[k], touch))
                throw Race(group, i, offset + k, "reads", "wrote", writers[k]);
            readers[k] = Merge(readers[k], touch);
        }
    }

    /// <summary>Most reads are of four bytes that lie still since the barrier, and that the same threads have read: these are told as one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool ReadWord(int offset, ulong touch)
    {
        Vector256<ulong> writers = Vector256.LoadUnsafe(ref _writers[offset]), readers = Vector256.LoadUnsafe(ref _readers[offset]);
        ulong reader = readers.ToScalar();
        if (readers != Vector256.Create(reader) || !Vector256.LessThanAll(writers, Vector256.Create(_phase)))
            return false;
        Vector256.Create(Merge(reader, touch)).StoreUnsafe(ref _readers[offset]);
        return true;
    }

    /// <summary>Bytes are written; the value is compared with what lies there where threads may write the same.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(PtxGroup group, int offset, int count, PtxInstruction* i, byte* value)
    {
        ulong touch = Touch(group, i);
        for (int at = offset; at < offset + count; at++)
        {
            if (Conflicts(_writers[at], touch) && !(allowSameValue && value[at - offset] == group.Shared[at]))
                throw Race(group, i, at, "writes", "wrote", _writers[at]);
            if (Conflicts(_readers[at], touch))
                throw Race(group, i, at, "writes", "read", _readers[at]);
            _writers[at] = Merge(_writers[at], touch);
        }
    }

    /// <summary>Bytes are read and written at once: threads that do so do not race with each other.</summary>
    public void ReadWrite(PtxGroup group, int offset, int count, PtxInstruction* i)
    {
        ulong touch = Touch(group, i) | Atomic;
        for (int at = offset; at < offset + count; at++)
        {
            if ((_writers[at] & Atomic) == 0 && Conflicts(_writers[at], touch))
                throw Race(group, i, at, "changes", "wrote", _writers[at]);
            if (Conflicts(_readers[at], touch))
                throw Race(group, i, at, "changes", "read", _readers[at]);
            _writers[at] = Merge(_writers[at], touch);
        }
    }

    private ulong Touch(PtxGroup group, PtxInstruction* i) => _phase | _warps[group.Thread >> 5] | (ulong)i->Line << LineShift | (uint)group.Thread;

    /// <summary>Whether another thread touched a byte, and nothing has waited since.</summary>
    private bool Conflicts(ulong touched, ulong touch) =>
        touched >= _phase && ((touched & Several) != 0 || ((touched ^ touch) & Thread) != 0) && !(SameWarp(touched, touch) && (touched & Warp) < (touch & Warp));

    private static bool SameWarp(ulong touched, ulong touch) => (touched & Thread) >> 5 == (touch & Thread) >> 5;

    /// <summary>One record of all who touched a byte: the first, whether there were others, and the last phase of their warp, which is none where they were of several.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Merge(ulong touched, ulong touch)
    {
        if (touched < _phase)
            return touch;
        if ((touched & (Thread | Several)) == (touch & Thread))
            return touch & (touched | ~Atomic);
        if (!SameWarp(touched, touch))
            return touched | Several | Warp;
        return (touched & Warp) < (touch & Warp) ? touch : touched | Several;
    }

    private static PtxFault Race(PtxGroup group, PtxInstruction* i, int at, string does, string did, ulong touched) => group.Fault(i,
        $"a race: it {does} byte {group.SharedName(at)} of shared memory, which thread {touched & Thread}{((touched & Several) != 0 ? " and others" : "")} {did} in line {(touched & Lasting) >> LineShift} with no barrier between");
}
