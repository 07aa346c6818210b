using System.Numerics;
using System.Runtime.CompilerServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Comparisons: those of numbers that are none are false, but for the unordered ones, which are true then.</summary>
internal static unsafe class PtxCompare
{
    private const int Less = 1, Equal = 2, Greater = 4, Unordered = 8;

    public static PtxInstruction Decode(PtxForm form)
    {
        string? name = form.TakeOne("eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan");
        string? combine = form.TakeOne("and", "or", "xor");
        bool set = form.Name == "set";
        PtxType type = set ? form.Types is [_, var second] ? second : throw form.Unsupported("two types are asked for") : form.Type;
        int accepted = name switch
        {
            "eq" => Equal,
            "ne" => Less | Greater,
            "lt" or "lo" => Less,
            "le" or "ls" => Less | Equal,
            "gt" or "hi" => Greater,
            "ge" or "hs" => Greater | Equal,
            "equ" => Equal | Unordered,
            "neu" => Less | Greater | Unordered,
            "ltu" => Less | Unordered,
            "leu" => Less | Equal | Unordered,
            "gtu" => Greater | Unordered,
            "geu" => Greater | Equal | Unordered,
            "num" => Less | Equal | Greater,
            "nan" => Unordered,
            _ => throw form.Unsupported("the comparison is not said"),
        };
        if (type.IsFloat() ? name is "lo" or "ls" or "hi" or "hs" : accepted >= Unordered || name is "num" || name is "lo" or "ls" or "hi" or "hs" && (type.IsSigned() || type.IsBits()) || type.IsBits() && name is not ("eq" or "ne"))
            throw form.Unsupported("the comparison is not one of this type");
        if (type is PtxType.Pred or PtxType.F16x2 || type.Size() == 1)
            throw form.Unsupported("the type is not known");
        var i = new PtxInstruction { A = form.Source(1, type), B = form.Source(2, type), C = -1, Number = accepted, Flush = type == PtxType.F32 && form.Take("ftz") };
        int last = -1;
        if (combine != null)
        {
            string other = form.Operand(3);
            i.Saturate = other.StartsWith('!');
            last = form.Find(other.TrimStart('!').Trim(), PtxType.Pred, false);
        }

        string[] targets = form.Operand(0).Split('|', StringSplitOptions.TrimEntries);
        // What a result is: a predicate or two, all ones, or one.
        int kind = !set ? 0 : form.Types[0] switch { PtxType.U32 or PtxType.S32 or PtxType.B32 => 1, PtxType.F32 => 2, _ => throw form.Unsupported("the result's type is not known") };
        i.D = form.Find(targets[0], set ? form.Types[0] : PtxType.Pred, false);
        if (targets.Length > (set ? 1 : 2))
            throw form.Unsupported("too many results");
        if (combine != null || targets.Length > 1 || set)
        {
            i.List = form.List(last, targets.Length > 1 ? form.Find(targets[1], PtxType.Pred, false) : -1, kind);
            i.Count = combine switch { "and" => 1, "or" => 2, "xor" => 3, _ => 0 };
            i.C = 0;
        }

        i.Run = type switch
        {
            PtxType.U16 or PtxType.B16 => &Compare<ushort>,
            PtxType.S16 => &Compare<short>,
            PtxType.U32 or PtxType.B32 => &Compare<uint>,
            PtxType.S32 => &Compare<int>,
            PtxType.U64 or PtxType.B64 => &Compare<ulong>,
            PtxType.S64 => &Compare<long>,
            PtxType.F32 => i.Flush ? &CompareFlushed : &CompareFloat<float>,
            PtxType.F64 => &CompareFloat<double>,
            _ => &CompareFloat<Half>,
        };
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Compare<T>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IBinaryInteger<T>
    {
        T a = *(T*)(r + i->A), b = *(T*)(r + i->B);
        Put(group, r, i, a < b ? Less : a == b ? Equal : Greater);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CompareFloat<T>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T a = *(T*)(r + i->A), b = *(T*)(r + i->B);
        Put(group, r, i, a < b ? Less : a == b ? Equal : a > b ? Greater : Unordered);
    }

    private static void CompareFlushed(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        float a = PtxFloats.Flushed(*(float*)(r + i->A), true), b = PtxFloats.Flushed(*(float*)(r + i->B), true);
        Put(group, r, i, a < b ? Less : a == b ? Equal : a > b ? Greater : Unordered);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(PtxGroup group, ulong* r, PtxInstruction* i, int outcome)
    {
        bool holds = (i->Number & outcome) != 0;
        if (i->C < 0)
            r[i->D] = holds ? 1ul : 0;
        else
            PutCombined(group, r, i, holds);
    }

    private static void PutCombined(PtxGroup group, ulong* r, PtxInstruction* i, bool holds)
    {
        int* list = group.Lists + i->List;
        bool other = list[0] >= 0 && r[list[0]] != 0 != i->Saturate;
        bool first = Combine(i->Count, holds, other), second = Combine(i->Count, !holds, other);
        r[i->D] = list[2] switch { 0 => first ? 1ul : 0, 1 => first ? uint.MaxValue : 0, _ => first ? BitConverter.SingleToUInt32Bits(1) : 0 };
        if (list[1] >= 0)
            r[list[1]] = second ? 1ul : 0;
    }

    private static bool Combine(int how, bool holds, bool other) => how switch { 1 => holds && other, 2 => holds || other, 3 => holds != other, _ => holds };
}
