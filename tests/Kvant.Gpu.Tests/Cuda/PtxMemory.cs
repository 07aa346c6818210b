using System.Numerics;
using System.Runtime.CompilerServices;
using unsafe Op = delegate*<Kvant.Gpu.Tests.Cuda.PtxGroup, ulong*, Kvant.Gpu.Tests.Cuda.PtxInstruction*, void>;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Loads and stores.</summary>
internal static unsafe class PtxMemory
{
    public static PtxInstruction Decode(PtxForm form)
    {
        bool load = form.Name != "st";
        PtxType type = form.Type;
        if (load && form.Take("param"))
        {
            var parameter = new PtxInstruction { D = form.Target(0, type, true), A = form.Parameter(1, type) };
            parameter.Run = type.Size() switch { 8 => &PtxMoves.Copy, _ => &Narrowed };
            parameter.Number = (64 - 8 * type.Size()) | (type.IsSigned() ? 64 : 0);
            return parameter;
        }

        string space = form.TakeOne("global", "shared", "local") ?? "generic";
        // How memory is seen by others and kept by caches changes nothing where threads run one after the other.
        _ = form.TakeOne("volatile", "relaxed", "acquire", "release", "weak");
        _ = form.TakeOne("cta", "gpu", "sys");
        _ = form.TakeOne("ca", "cg", "cs", "lu", "cv", "wb", "wt");
        if (load && space == "global")
            form.Take("nc");
        string? vector = form.TakeOne("v2", "v4");
        int count = vector == "v4" ? 4 : vector == "v2" ? 2 : 1;
        if (count * type.Size() > 16 || type is PtxType.Pred)
            throw form.Unsupported("more than 16 bytes at once");
        var i = new PtxInstruction { Count = count };
        (i.A, i.Number, i.Narrow) = form.Address(load ? 1 : 0);
        int value = load ? 0 : 1;
        if (count > 1)
        {
            int[] slots = form.Many(value, type, true);
            i.List = slots.Length == count ? form.List(slots) : throw form.Unsupported($"{count} registers are asked for");
        }
        else if (load)
            i.D = form.Target(0, type, true);
        else
            i.B = form.Source(1, type, true);
        i.Run = space switch { "global" => Pick<PtxGlobal>(form, type, load, count), "shared" => Pick<PtxShared>(form, type, load, count), "local" => Pick<PtxLocal>(form, type, load, count), _ => Pick<PtxGeneric>(form, type, load, count) };
        return i;
    }

    /// <summary>The address that an instruction names.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Address(ulong* r, PtxInstruction* i) => (i->Narrow ? (uint)r[i->A] : r[i->A]) + (ulong)i->Number;

    private static Op Pick<TSpace>(PtxForm form, PtxType type, bool load, int count) where TSpace : IPtxSpace => type switch
    {
        PtxType.S8 => Pick<TSpace, sbyte>(load, count),
        PtxType.U8 or PtxType.B8 => Pick<TSpace, byte>(load, count),
        PtxType.S16 => Pick<TSpace, short>(load, count),
        PtxType.U16 or PtxType.B16 or PtxType.F16 => Pick<TSpace, ushort>(load, count),
        PtxType.S32 => Pick<TSpace, int>(load, count),
        PtxType.U32 or PtxType.B32 or PtxType.F32 or PtxType.F16x2 => Pick<TSpace, uint>(load, count),
        PtxType.S64 => Pick<TSpace, long>(load, count),
        PtxType.U64 or PtxType.B64 or PtxType.F64 => Pick<TSpace, ulong>(load, count),
        _ => throw form.Unsupported("the type is not known"),
    };

    private static Op Pick<TSpace, T>(bool load, int count) where TSpace : IPtxSpace where T : unmanaged, IBinaryInteger<T> =>
        load ? count == 1 ? &Load<TSpace, T> : &LoadMany<TSpace, T> : count == 1 ? &Store<TSpace, T> : &StoreMany<TSpace, T>;

    // Registers may be wider than what is loaded, and have its sign.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Load<TSpace, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TSpace : IPtxSpace where T : unmanaged, IBinaryInteger<T> =>
        r[i->D] = ulong.CreateTruncating(*(T*)TSpace.At(group, Address(r, i), sizeof(T), i, PtxAccess.Read, null));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store<TSpace, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TSpace : IPtxSpace where T : unmanaged, IBinaryInteger<T> =>
        *(T*)TSpace.At(group, Address(r, i), sizeof(T), i, PtxAccess.Write, r + i->B) = *(T*)(r + i->B);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LoadMany<TSpace, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TSpace : IPtxSpace where T : unmanaged, IBinaryInteger<T>
    {
        var from = (T*)TSpace.At(group, Address(r, i), sizeof(T) * i->Count, i, PtxAccess.Read, null);
        for (int k = 0; k < i->Count; k++)
            r[group.Lists[i->List + k]] = ulong.CreateTruncating(from[k]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreMany<TSpace, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TSpace : IPtxSpace where T : unmanaged
    {
        T* values = stackalloc T[4];
        for (int k = 0; k < i->Count; k++)
            values[k] = *(T*)(r + group.Lists[i->List + k]);
        var to = (T*)TSpace.At(group, Address(r, i), sizeof(T) * i->Count, i, PtxAccess.Write, values);
        for (int k = 0; k < i->Count; k++)
            to[k] = values[k];
    }

    private static void Narrowed(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int by = i->Number & 63;
        r[i->D] = (i->Number & 64) != 0 ? (ulong)((long)r[i->A] << by >> by) : r[i->A] << by >> by;
    }
}
