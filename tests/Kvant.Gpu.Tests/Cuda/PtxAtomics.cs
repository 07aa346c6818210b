using System.Numerics;
using unsafe Op = delegate*<Kvant.Gpu.Tests.Cuda.PtxGroup, ulong*, Kvant.Gpu.Tests.Cuda.PtxInstruction*, void>;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Reads and writes of memory that nothing comes between.</summary>
internal static unsafe class PtxAtomics
{
    private static readonly string[] Names = ["add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"];

    public static PtxInstruction Decode(PtxForm form)
    {
        bool reads = form.Name == "atom";
        PtxType type = form.Type;
        string space = form.TakeOne("global", "shared") ?? "generic";
        _ = form.TakeOne("relaxed", "acquire", "release", "acq_rel");
        _ = form.TakeOne("cta", "gpu", "sys");
        string name = form.TakeOne(Names) ?? throw form.Unsupported("the operation is not known");
        bool known = name switch
        {
            "add" => type is PtxType.U32 or PtxType.S32 or PtxType.U64 or PtxType.F32 or PtxType.F64,
            "min" or "max" => type is PtxType.U32 or PtxType.S32 or PtxType.U64 or PtxType.S64,
            "inc" or "dec" => type is PtxType.U32,
            "exch" or "cas" => reads && type is PtxType.B32 or PtxType.B64,
            _ => type is PtxType.B32 or PtxType.B64,
        };
        if (!known)
            throw form.Unsupported("the operation is not one of this type");
        int first = reads ? 1 : 0;
        var i = new PtxInstruction { D = reads ? form.Target(0, type) : -1, Count = Array.IndexOf(Names, name), B = form.Source(first + 1, type) };
        if (name == "cas")
            i.C = form.Source(first + 2, type);
        (i.A, i.Number, i.Narrow) = form.Address(first);
        i.Run = space switch { "global" => Pick<PtxGlobal>(type), "shared" => Pick<PtxShared>(type), _ => Pick<PtxGeneric>(type) };
        return i;
    }

    private static Op Pick<TSpace>(PtxType type) where TSpace : IPtxSpace => type switch
    {
        PtxType.S32 => &Change<TSpace, int>,
        PtxType.S64 => &Change<TSpace, long>,
        PtxType.U64 or PtxType.B64 => &Change<TSpace, ulong>,
        PtxType.F32 => &AddFloat<TSpace, float>,
        PtxType.F64 => &AddFloat<TSpace, double>,
        _ => &Change<TSpace, uint>,
    };

    private static void Change<TSpace, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TSpace : IPtxSpace where T : unmanaged, IBinaryInteger<T>
    {
        var at = (T*)TSpace.At(group, PtxMemory.Address(r, i), sizeof(T), i, PtxAccess.ReadWrite, null);
        T old = *at, b = *(T*)(r + i->B);
        *at = Names[i->Count] switch
        {
            "add" => old + b,
            "min" => T.Min(old, b),
            "max" => T.Max(old, b),
            "exch" => b,
            "and" => old & b,
            "or" => old | b,
            "xor" => old ^ b,
            "inc" => old >= b ? T.Zero : old + T.One,
            "dec" => old == T.Zero || old > b ? b : old - T.One,
            _ => old == b ? *(T*)(r + i->C) : old,
        };
        if (i->D >= 0)
            *(T*)(r + i->D) = old;
    }

    private static void AddFloat<TSpace, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TSpace : IPtxSpace where T : unmanaged, INumber<T>
    {
        var at = (T*)TSpace.At(group, PtxMemory.Address(r, i), sizeof(T), i, PtxAccess.ReadWrite, null);
        T old = *at;
        *at = old + *(T*)(r + i->B);
        if (i->D >= 0)
            *(T*)(r + i->D) = old;
    }
}
