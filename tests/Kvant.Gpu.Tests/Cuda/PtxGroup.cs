using System.Runtime.CompilerServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Threads of a work-group while they run: one after the other, each until it waits.</summary>
internal sealed unsafe class PtxGroup
{
    private readonly PtxKernel _kernel;
    private readonly ulong[] _frames;
    private readonly byte[] _shared, _local;
    private readonly int[] _places;
    private readonly PtxStep[] _states;
    private readonly long _branchLimit;
    private int _group;

    public PtxGroup(PtxKernel kernel, int threads, int dynamicShared, PtxAllocations allocations, PtxMachine machine)
    {
        (_kernel, Threads, Allocations, _branchLimit) = (kernel, threads, allocations, machine.BranchLimit);
        Slots = kernel.Frame.Length;
        _frames = GC.AllocateUninitializedArray<ulong>(threads * Slots, pinned: true);
        (SharedOwners, LocalOwners) = (kernel.Shared.Owners(dynamicShared), kernel.Local.Owners(0));
        _shared = GC.AllocateUninitializedArray<byte>(SharedOwners.Length + 16, pinned: true);
        _local = GC.AllocateUninitializedArray<byte>(threads * LocalOwners.Length, pinned: true);
        (_places, _states) = (new int[threads], new PtxStep[threads]);
        Shared = (byte*)Unsafe.AsPointer(ref _shared[0]);
        Local = (byte*)Unsafe.AsPointer(ref _local[0]);
        Lists = (int*)Unsafe.AsPointer(ref kernel.Lists[0]);
        Races = new(SharedOwners.Length, machine.AllowSameValue);
    }

    public int Threads { get; }

    /// <summary>Slots of the frame of a thread.</summary>
    public int Slots { get; }

    public PtxAllocations Allocations { get; }

    public PtxRaces Races { get; }

    /// <summary>To which variable each byte belongs.</summary>
    public ushort[] SharedOwners { get; }

    public ushort[] LocalOwners { get; }

    public byte* Shared { get; }

    public byte* Local { get; }

    public int* Lists { get; }

    /// <summary>The thread that runs.</summary>
    public int Thread { get; private set; }

    /// <summary>Threads of the warp that run an instruction together.</summary>
    public uint Mask { get; private set; }

    /// <summary>Instructions that ran.</summary>
    public long Steps { get; private set; }

    public void Run(int group, int groups, ReadOnlySpan<ulong> parameters)
    {
        _group = group;
        // What is not written holds no zeros that a kernel could rely on.
        Array.Fill<byte>(_shared, 0xA5);
        Array.Fill<byte>(_local, 0xA5);
        Array.Clear(_places);
        Array.Clear(_states);
        for (int thread = 0; thread < Threads; thread++)
        {
            Span<ulong> frame = _frames.AsSpan(thread * Slots, Slots);
            _kernel.Frame.CopyTo(frame);
            (frame[PtxKernel.ThreadSlot], frame[PtxKernel.ThreadsSlot], frame[PtxKernel.GroupSlot], frame[PtxKernel.GroupsSlot]) = ((ulong)thread, (ulong)Threads, (ulong)group, (ulong)groups);
            (frame[PtxKernel.LaneSlot], frame[PtxKernel.WarpSlot]) = ((ulong)thread & 31, (ulong)thread >> 5);
            parameters.CopyTo(frame[PtxKernel.FirstParameterSlot..]);
        }

        for (bool more = true; more;)
        {
            Races.Barrier();
            for (int start = 0; start < Threads; start += 32)
                RunWarp(start);
            more = Barrier();
        }
    }

    public PtxFault Fault(PtxInstruction* i, string what) => new($"kernel {_kernel.Name}, line {i->Line}, group {_group}, thread {Thread}: {what}.");

    /// <summary>A byte of shared memory by the variable that it belongs to.</summary>
    public string SharedName(int offset)
    {
        PtxVariable? variable = SharedOwners[offset] is > 0 and var owner && owner <= _kernel.Shared.Variables.Count ? _kernel.Shared.Variables[owner - 1] : null;
        return variable == null ? $"{offset - _kernel.Shared.Dynamic} of what the launch added" : $"{offset - variable.Offset} of {variable.Name}";
    }

    /// <summary>Refuses bytes that do not lie within one variable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Check(ushort[] owners, ulong address, int bytes, PtxInstruction* i, PtxAccess access, string space)
    {
        if (address + (uint)bytes > (uint)owners.Length || address > (uint)owners.Length || owners[(int)address] == 0 || owners[(int)address] != owners[(int)address + bytes - 1])
            throw Fault(i, $"{access} of {bytes} bytes at 0x{address:x} of {space} memory, which lie in no variable");
        if ((address & (uint)(bytes - 1)) != 0)
            throw Fault(i, $"{access} of {bytes} bytes at 0x{address:x} of {space} memory, which is not aligned");
    }

    /// <summary>The frame of a thread.</summary>
    public ulong* Frame(int thread) => (ulong*)Unsafe.AsPointer(ref _frames[thread * Slots]);

    private void RunWarp(int start)
    {
        int end = Math.Min(start + 32, Threads);
        do
        {
            for (int thread = start; thread < end; thread++)
                if (_states[thread] == PtxStep.Plain)
                    RunThread(thread);
        }
        while (RunTogether(start, end));
    }

    /// <summary>Runs an instruction at which all threads wait that it names; false where there is none.</summary>
    private bool RunTogether(int start, int end)
    {
        PtxInstruction* code = Code;
        for (int thread = start; thread < end; thread++)
        {
            if (_states[thread] != PtxStep.Together)
                continue;
            PtxInstruction* i = code + _places[thread];
            // Matrices ask for the whole warp.
            uint asked = i->C < 0 ? uint.MaxValue : (uint)Frame(thread)[i->C], waiting = 0;
            for (int other = start; other < end; other++)
                if (_states[other] == PtxStep.Together && _places[other] == _places[thread] && (i->C < 0 || (uint)Frame(other)[i->C] == asked))
                    waiting |= 1u << (other - start);
            (Thread, Mask) = (thread, asked);
            if ((asked >> (thread - start) & 1) == 0)
                throw Fault(i, $"the thread is not one of those that it names, 0x{asked:x}");
            if ((waiting & asked) != asked)
                continue;
            Steps++;
            i->Run(this, Frame(start), i);
            for (int other = start; other < end; other++)
                if ((asked >> (other - start) & 1) != 0)
                    (_states[other], _places[other]) = (PtxStep.Plain, _places[other] + 1);
            return true;
        }

        return false;
    }

    /// <summary>Lets threads go on that all wait at one barrier; false where all have ended.</summary>
    private bool Barrier()
    {
        int together = Array.IndexOf(_states, PtxStep.Together), first = Array.IndexOf(_states, PtxStep.Barrier);
        if (together >= 0)
        {
            Thread = together;
            throw Fault(Code + _places[together], "it waits for threads of its warp that do not come");
        }

        if (first < 0)
            return false;
        for (int thread = first; thread < Threads; thread++)
        {
            if (_states[thread] != PtxStep.Barrier)
                continue;
            if (_places[thread] != _places[first])
            {
                Thread = thread;
                throw Fault(Code + _places[thread], $"it waits at this barrier, and thread {first} at that of line {Code[_places[first]].Line}");
            }
        }

        for (int thread = first; thread < Threads; thread++)
            if (_states[thread] == PtxStep.Barrier)
                (_states[thread], _places[thread]) = (PtxStep.Plain, _places[thread] + 1);
        return true;
    }

    private PtxInstruction* Code => (PtxInstruction*)Unsafe.AsPointer(ref _kernel.Code[0]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunThread(int thread)
    {
        PtxInstruction* code = Code, i = code + _places[thread];
        ulong* r = Frame(thread);
        Thread = thread;
        long steps = 0, branches = 0;
        for (; ; i++)
        {
            steps++;
            if (i->Guard >= 0 && (r[i->Guard] != 0) == i->GuardNot)
                continue;
            if (i->Step == PtxStep.Plain)
                i->Run(this, r, i);
            else if (i->Step == PtxStep.Branch)
            {
                if (++branches > _branchLimit)
                    throw Fault(i, $"more than {_branchLimit} branches without a barrier");
                i = code + i->Target - 1;
            }
            else
                break;
        }

        (_states[thread], _places[thread]) = (i->Step, (int)(i - code));
        Steps += steps;
    }
}
