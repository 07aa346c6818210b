using System.Numerics;
using System.Runtime.CompilerServices;
using unsafe Op = delegate*<Kvant.Gpu.Tests.Cuda.PtxGroup, ulong*, Kvant.Gpu.Tests.Cuda.PtxInstruction*, void>;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Conversions between types.</summary>
internal static unsafe class PtxConvert
{
    private const int ToIntegral = 1;

    public static PtxInstruction Decode(PtxForm form)
    {
        if (form.Types is not [var to, var from])
            throw form.Unsupported("two types are asked for");
        bool pair = to == PtxType.F16x2 && from == PtxType.F32;
        if (to is PtxType.Pred or PtxType.F16x2 && !pair || from is PtxType.Pred or PtxType.F16x2 || to.IsBits() || from.IsBits())
            throw form.Unsupported("the types are not known");
        string? integral = form.TakeOne("rni", "rzi", "rmi", "rpi"), rounding = form.TakeOne("rn", "rz", "rm", "rp");
        string? way = integral ?? rounding;
        var i = new PtxInstruction
        {
            D = form.Target(0, to, !pair),
            A = form.Source(1, from, true),
            Number = (int)from << 8 | (int)to,
            Rounding = way switch { "rz" or "rzi" => PtxRounding.Zero, "rm" or "rmi" => PtxRounding.Down, "rp" or "rpi" => PtxRounding.Up, _ => PtxRounding.Nearest },
            Saturate = form.Take("sat"),
            Flush = (from == PtxType.F32 || to == PtxType.F32) && form.Take("ftz"),
        };
        bool fromFloat = from.IsFloat(), toFloat = to.IsFloat();
        bool asksIntegral = fromFloat && !toFloat, asksRounding = toFloat && (!fromFloat || to.Size() < from.Size() || pair);
        // Floats of one size may become whole numbers of it.
        bool mayIntegral = asksIntegral || fromFloat && to == from;
        if (asksIntegral && integral == null || asksRounding && rounding == null || integral != null && !mayIntegral || rounding != null && !asksRounding || integral != null && rounding != null)
            throw form.Unsupported("the rounding is not one of these types");
        i.Count = integral != null ? ToIntegral : 0;
        if (pair)
        {
            i.B = form.Source(2, from);
            i.Run = &ToPair;
        }
        else
            i.Run = !fromFloat && !toFloat && !i.Saturate ? Whole(from, to) : fromFloat ? toFloat ? &FloatToFloat : &FloatToWhole : toFloat ? &WholeToFloat : &WholeToWhole;
        return i;
    }

    // The usual conversions of whole numbers: registers may be wider than what is put there, and have its sign.
    private static Op Whole(PtxType from, PtxType to) => from switch
    {
        PtxType.S8 => To<sbyte>(to),
        PtxType.U8 => To<byte>(to),
        PtxType.S16 => To<short>(to),
        PtxType.U16 => To<ushort>(to),
        PtxType.S32 => To<int>(to),
        PtxType.U32 => To<uint>(to),
        PtxType.S64 => To<long>(to),
        _ => To<ulong>(to),
    };

    private static Op To<T>(PtxType to) where T : unmanaged, IBinaryInteger<T> => to switch
    {
        PtxType.S8 => &Extend<T, sbyte>,
        PtxType.U8 => &Extend<T, byte>,
        PtxType.S16 => &Extend<T, short>,
        PtxType.U16 => &Extend<T, ushort>,
        PtxType.S32 => &Extend<T, int>,
        PtxType.U32 => &Extend<T, uint>,
        PtxType.S64 => &Extend<T, long>,
        _ => &Extend<T, ulong>,
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Extend<TFrom, TTo>(PtxGroup group, ulong* r, PtxInstruction* i) where TFrom : unmanaged, IBinaryInteger<TFrom> where TTo : unmanaged, IBinaryInteger<TTo> =>
        r[i->D] = ulong.CreateTruncating(TTo.CreateTruncating(*(TFrom*)(r + i->A)));

    private static void WholeToWhole(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = Saturated(ReadWhole(r, i), To(i));

    private static void WholeToFloat(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        Int128 whole = ReadWhole(r, i);
        // 64 bits need not fit a double: what is lost is a double too.
        double value = whole > long.MaxValue ? (ulong)whole : (double)(long)whole;
        var error = (double)(whole - (Int128)value);
        if (To(i) == PtxType.F64 && i->Rounding != PtxRounding.Nearest)
        {
            bool down = i->Rounding == PtxRounding.Down || i->Rounding == PtxRounding.Zero && value > 0;
            value = down && error < 0 ? Math.BitDecrement(value) : !down && error > 0 ? Math.BitIncrement(value) : value;
        }

        WriteFloat(r, i, value, error);
    }

    private static void FloatToWhole(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        double value = ReadFloat(r, i);
        PtxType to = To(i);
        if (double.IsNaN(value))
            r[i->D] = (PtxType)(i->Number >> 8) == PtxType.F64 || to.Size() == 8 ? 1ul << (8 * to.Size() - 1) : 0;
        else
            // No type reaches beyond, and numbers beyond have no type to be held in.
            r[i->D] = Saturated((Int128)Math.Clamp(Integral(value, i->Rounding), -Math.ScaleB(1, 100), Math.ScaleB(1, 100)), to);
    }

    private static void FloatToFloat(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        double value = ReadFloat(r, i);
        WriteFloat(r, i, i->Count == ToIntegral ? Integral(value, i->Rounding) : value, 0);
    }

    /// <summary>Two numbers in one register: the first operand is the upper half.</summary>
    private static void ToPair(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        Half high = PtxRound.Half(Held(*(float*)(r + i->A), i), 0, i->Rounding), low = PtxRound.Half(Held(*(float*)(r + i->B), i), 0, i->Rounding);
        r[i->D] = (ulong)BitConverter.HalfToUInt16Bits(high) << 16 | BitConverter.HalfToUInt16Bits(low);
    }

    private static PtxType To(PtxInstruction* i) => (PtxType)(i->Number & 255);

    private static double Integral(double value, PtxRounding rounding) => rounding switch
    {
        PtxRounding.Nearest => Math.Round(value, MidpointRounding.ToEven),
        PtxRounding.Zero => Math.Truncate(value),
        PtxRounding.Down => Math.Floor(value),
        _ => Math.Ceiling(value),
    };

    private static Int128 ReadWhole(ulong* r, PtxInstruction* i)
    {
        ulong* a = r + i->A;
        return (PtxType)(i->Number >> 8) switch
        {
            PtxType.S8 => *(sbyte*)a,
            PtxType.U8 => *(byte*)a,
            PtxType.S16 => *(short*)a,
            PtxType.U16 => *(ushort*)a,
            PtxType.S32 => *(int*)a,
            PtxType.U32 => *(uint*)a,
            PtxType.S64 => *(long*)a,
            _ => *a,
        };
    }

    private static ulong Saturated(Int128 value, PtxType to) => to switch
    {
        PtxType.S8 => (ulong)sbyte.CreateSaturating(value),
        PtxType.U8 => byte.CreateSaturating(value),
        PtxType.S16 => (ulong)short.CreateSaturating(value),
        PtxType.U16 => ushort.CreateSaturating(value),
        PtxType.S32 => (ulong)int.CreateSaturating(value),
        PtxType.U32 => uint.CreateSaturating(value),
        PtxType.S64 => (ulong)long.CreateSaturating(value),
        _ => ulong.CreateSaturating(value),
    };

    private static double ReadFloat(ulong* r, PtxInstruction* i) => (PtxType)(i->Number >> 8) switch
    {
        PtxType.F16 => (double)*(Half*)(r + i->A),
        PtxType.F32 => PtxFloats.Flushed(*(float*)(r + i->A), i->Flush),
        _ => *(double*)(r + i->A),
    };

    private static double Held(double value, PtxInstruction* i) => !i->Saturate ? value : double.IsNaN(value) || value <= 0 ? 0 : Math.Min(value, 1);

    private static void WriteFloat(ulong* r, PtxInstruction* i, double value, double error)
    {
        PtxType to = To(i);
        // Held numbers are exact.
        (value, error) = i->Saturate && !(value > 0 && value < 1) ? (Held(value, i), 0) : (value, error);
        PtxRounding rounding = i->Count == ToIntegral ? PtxRounding.Nearest : i->Rounding;
        if (to == PtxType.F16)
            r[i->D] = BitConverter.HalfToUInt16Bits(PtxRound.Half(value, error, rounding));
        else if (to == PtxType.F64)
            *(double*)(r + i->D) = value;
        else
        {
            float single = PtxFloats.Flushed(PtxRound.Single(value, error, rounding), i->Flush);
            r[i->D] = BitConverter.SingleToUInt32Bits(float.IsNaN(single) ? PtxFloats.NaN : single);
        }
    }
}
