using System.Runtime.CompilerServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>What is done with memory.</summary>
internal enum PtxAccess
{
    Read, Write, ReadWrite,
}

/// <summary>Memory that an instruction names: finds where an address lies and refuses what it must not touch.</summary>
internal unsafe interface IPtxSpace
{
    static abstract byte* At(PtxGroup group, ulong address, int bytes, PtxInstruction* i, PtxAccess access, void* value);
}

/// <summary>Memory of the device.</summary>
internal readonly unsafe struct PtxGlobal : IPtxSpace
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* At(PtxGroup group, ulong address, int bytes, PtxInstruction* i, PtxAccess access, void* value)
    {
        if (!group.Allocations.Contains(address, bytes))
            throw group.Fault(i, $"{access} of {bytes} bytes at 0x{address:x} of global memory, which lie in no allocation");
        if ((address & (uint)(bytes - 1)) != 0)
            throw group.Fault(i, $"{access} of {bytes} bytes at 0x{address:x} of global memory, which is not aligned");
        return (byte*)address;
    }
}

/// <summary>Memory that a work-group shares.</summary>
internal readonly unsafe struct PtxShared : IPtxSpace
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* At(PtxGroup group, ulong address, int bytes, PtxInstruction* i, PtxAccess access, void* value)
    {
        group.Check(group.SharedOwners, address, bytes, i, access, "shared");
        if (access == PtxAccess.Read)
            group.Races.Read(group, (int)address, bytes, i);
        else if (access == PtxAccess.Write)
            group.Races.Write(group, (int)address, bytes, i, (byte*)value);
        else
            group.Races.ReadWrite(group, (int)address, bytes, i);
        return group.Shared + address;
    }
}

/// <summary>A thread's own memory.</summary>
internal readonly unsafe struct PtxLocal : IPtxSpace
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* At(PtxGroup group, ulong address, int bytes, PtxInstruction* i, PtxAccess access, void* value)
    {
        group.Check(group.LocalOwners, address, bytes, i, access, "local");
        return group.Local + (long)group.Thread * group.LocalOwners.Length + address;
    }
}

/// <summary>Any of them: an address says which.</summary>
internal readonly unsafe struct PtxGeneric : IPtxSpace
{
    public static byte* At(PtxGroup group, ulong address, int bytes, PtxInstruction* i, PtxAccess access, void* value) => (address >> 60) switch
    {
        4 => PtxShared.At(group, address - PtxMoves.SharedWindow, bytes, i, access, value),
        6 => PtxLocal.At(group, address - PtxMoves.LocalWindow, bytes, i, access, value),
        _ => PtxGlobal.At(group, address, bytes, i, access, value),
    };
}
