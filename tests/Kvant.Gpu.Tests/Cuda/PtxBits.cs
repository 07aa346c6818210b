using System.Numerics;
using System.Runtime.CompilerServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Instructions on bits.</summary>
internal static unsafe class PtxBits
{
    public static PtxInstruction Decode(PtxForm form)
    {
        PtxType type = form.Type;
        bool long64 = type.Size() == 8;
        // A count of bits has 32 of them whatever it counts.
        PtxType result = form.Name is "popc" or "clz" or "bfind" ? PtxType.U32 : type;
        var i = new PtxInstruction { D = form.Target(0, result), A = form.Source(1, type), Number = 8 * type.Size() };
        switch (form.Name)
        {
            case "and" or "or" or "xor" when type is PtxType.Pred || type.IsBits():
                i.B = form.Source(2, type);
                i.Run = form.Name == "and" ? &And : form.Name == "or" ? &Or : &Xor;
                return i;
            case "not" when type is PtxType.Pred || type.IsBits():
                i.Run = type == PtxType.Pred ? &NotPredicate : &Not;
                return i;
            case "cnot" when type.IsBits():
                i.Run = &IsZero;
                return i;
            case "shl" when type.IsBits() && type != PtxType.B8:
                i.B = form.Source(2, PtxType.U32);
                i.Run = &ShiftLeft;
                return i;
            case "shr" when type.Size() > 1 && !type.IsFloat():
                i.B = form.Source(2, PtxType.U32);
                i.Run = type switch { PtxType.S16 => &ShiftSigned<short>, PtxType.S32 => &ShiftSigned<int>, PtxType.S64 => &ShiftSigned<long>, _ => &ShiftRight };
                return i;
            case "shf" when type == PtxType.B32:
                (i.B, i.C) = (form.Source(2, type), form.Source(3, PtxType.U32));
                bool left = form.TakeOne("l", "r") == "l", clamp = (form.TakeOne("clamp", "wrap") ?? throw form.Unsupported("the mode is not said")) == "clamp";
                i.Number = clamp ? 1 : 0;
                i.Run = left ? &FunnelLeft : &FunnelRight;
                return i;
            case "bfe" when type is PtxType.U32 or PtxType.S32 or PtxType.U64 or PtxType.S64:
                (i.B, i.C) = (form.Source(2, PtxType.U32), form.Source(3, PtxType.U32));
                i.Run = type.IsSigned() ? &ExtractSigned : &Extract;
                return i;
            case "bfi" when type is PtxType.B32 or PtxType.B64:
                int f = form.Source(2, type);
                i.List = form.List(i.A, f, form.Source(3, PtxType.U32), form.Source(4, PtxType.U32));
                i.Run = &Insert;
                return i;
            case "prmt" when type == PtxType.B32:
                (i.B, i.C) = (form.Source(2, type), form.Source(3, type));
                i.Number = Array.IndexOf(["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"], form.TakeOne("f4e", "b4e", "rc8", "ecl", "ecr", "rc16"));
                i.Run = &Permute;
                return i;
            case "lop3" when type == PtxType.B32:
                (i.B, i.C, i.Number) = (form.Source(2, type), form.Source(3, type), (int)form.Constant(4));
                i.Run = &Lookup;
                return i;
            case "popc" or "clz" or "brev" when type is PtxType.B32 or PtxType.B64:
                i.Run = form.Name == "popc" ? long64 ? &Count<ulong> : &Count<uint> : form.Name == "clz" ? long64 ? &Leading<ulong> : &Leading<uint> : &Reverse;
                return i;
            case "bfind" when type is PtxType.U32 or PtxType.S32 or PtxType.U64 or PtxType.S64:
                i.Run = &FindFirst;
                i.Saturate = form.Take("shiftamt");
                i.Flush = type.IsSigned();
                return i;
            default:
                throw form.Unsupported("the type is not known");
        }
    }

    private static void And(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->A] & r[i->B];

    private static void Or(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->A] | r[i->B];

    private static void Xor(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->A] ^ r[i->B];

    private static void Not(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = ~r[i->A];

    private static void NotPredicate(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->A] ^ 1;

    private static void IsZero(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = Value(r, i) == 0 ? 1ul : 0;

    /// <summary>The first operand without what lies above its type.</summary>
    private static ulong Value(ulong* r, PtxInstruction* i) => i->Number == 64 ? r[i->A] : r[i->A] & ((1ul << i->Number) - 1);

    // More than the width is the width.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ShiftLeft(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        uint by = (uint)r[i->B];
        r[i->D] = by >= (uint)i->Number ? 0 : r[i->A] << (int)by;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ShiftRight(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        uint by = (uint)r[i->B];
        r[i->D] = by >= (uint)i->Number ? 0 : Value(r, i) >> (int)by;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ShiftSigned<T>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IBinaryInteger<T>
    {
        uint by = (uint)r[i->B];
        *(T*)(r + i->D) = *(T*)(r + i->A) >> (int)Math.Min(by, (uint)i->Number - 1);
    }

    private static void FunnelLeft(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong both = (uint)r[i->A] | r[i->B] << 32;
        r[i->D] = both << Amount(r, i) >> 32;
    }

    private static void FunnelRight(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong both = (uint)r[i->A] | r[i->B] << 32;
        r[i->D] = both >> Amount(r, i);
    }

    private static int Amount(ulong* r, PtxInstruction* i) => i->Number == 1 ? (int)Math.Min((uint)r[i->C], 32) : (int)(r[i->C] & 31);

    private static void Extract(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int start = (byte)r[i->B], length = (byte)r[i->C];
        ulong value = start >= i->Number ? 0 : Value(r, i) >> start;
        r[i->D] = length >= 64 ? value : value & ((1ul << length) - 1);
    }

    private static void ExtractSigned(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int start = (byte)r[i->B], length = (byte)r[i->C], last = Math.Min(start + length - 1, i->Number - 1);
        ulong value = 0, sign = length == 0 ? 0 : r[i->A] >> last & 1;
        for (int k = 0; k < i->Number; k++)
            value |= (k < length && start + k < i->Number ? r[i->A] >> (start + k) & 1 : sign) << k;
        r[i->D] = value;
    }

    private static void Insert(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int* list = group.Lists + i->List;
        ulong from = r[list[0]], into = r[list[1]];
        int start = (byte)r[list[2]], length = (byte)r[list[3]];
        for (int k = 0; k < length && start + k < i->Number; k++)
            into = into & ~(1ul << (start + k)) | (from >> k & 1) << (start + k);
        r[i->D] = into;
    }

    private static void Permute(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong both = (uint)r[i->A] | r[i->B] << 32;
        int selector = (int)r[i->C], first = selector & 3;
        uint value = 0;
        for (int k = 0; k < 4; k++)
        {
            int at = i->Number switch
            {
                0 => first + k,
                1 => (first - k) & 7,
                2 => first,
                3 => Math.Max(first, k),
                4 => Math.Min(first, k),
                5 => (first & 1) * 2 + (k & 1),
                _ => selector >> (4 * k) & 15,
            };
            byte taken = (byte)(both >> (8 * (at & 7)));
            // The highest bit of a choice asks for the sign alone.
            value |= (uint)(i->Number < 0 && (at & 8) != 0 ? (byte)((sbyte)taken >> 7) : taken) << (8 * k);
        }

        r[i->D] = value;
    }

    private static void Lookup(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong value = 0;
        for (int k = 0; k < 8; k++)
            if ((i->Number >> k & 1) != 0)
                value |= ((k & 4) != 0 ? r[i->A] : ~r[i->A]) & ((k & 2) != 0 ? r[i->B] : ~r[i->B]) & ((k & 1) != 0 ? r[i->C] : ~r[i->C]);
        r[i->D] = value;
    }

    private static void Count<T>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IBinaryInteger<T> => r[i->D] = ulong.CreateTruncating(T.PopCount(*(T*)(r + i->A)));

    private static void Leading<T>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IBinaryInteger<T> => r[i->D] = ulong.CreateTruncating(T.LeadingZeroCount(*(T*)(r + i->A)));

    private static void Reverse(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong value = 0;
        for (int k = 0; k < i->Number; k++)
            value |= (r[i->A] >> k & 1) << (i->Number - 1 - k);
        r[i->D] = value;
    }

    /// <summary>The place of the highest bit that is not the sign; all ones where there is none.</summary>
    private static void FindFirst(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong value = Value(r, i);
        if (i->Flush && (value >> (i->Number - 1) & 1) != 0)
            value = ~value & (i->Number == 64 ? ulong.MaxValue : (1ul << i->Number) - 1);
        int place = value == 0 ? -1 : 63 - BitOperations.LeadingZeroCount(value);
        r[i->D] = (uint)(i->Saturate && place >= 0 ? i->Number - 1 - place : place);
    }
}
