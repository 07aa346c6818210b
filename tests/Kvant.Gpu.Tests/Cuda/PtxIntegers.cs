using System.Numerics;
using System.Runtime.CompilerServices;
using unsafe Op = delegate*<Kvant.Gpu.Tests.Cuda.PtxGroup, ulong*, Kvant.Gpu.Tests.Cuda.PtxInstruction*, void>;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Arithmetic of whole numbers.</summary>
internal static unsafe class PtxIntegers
{
    public static PtxInstruction Decode(PtxForm form)
    {
        PtxType type = form.Type;
        if (form.Name == "dp4a")
            return Dot(form);
        bool wide = form.Take("wide"), high = !wide && form.Take("hi");
        if (form.Name is "mul" or "mad" && !wide && !high && !form.Take("lo"))
            throw form.Unsupported("which half is not said");
        PtxType result = !wide ? type : type switch
        {
            PtxType.U16 => PtxType.U32,
            PtxType.S16 => PtxType.S32,
            PtxType.U32 => PtxType.U64,
            PtxType.S32 => PtxType.S64,
            _ => throw form.Unsupported("no type is as wide"),
        };
        var i = new PtxInstruction { D = form.Target(0, result), A = form.Source(1, type) };
        if (form.Name is not ("abs" or "neg"))
            i.B = form.Source(2, type);
        if (form.Name is "mad" or "sad")
            i.C = form.Source(3, result);
        i.Run = form.Name switch
        {
            "add" when type == PtxType.S32 && form.Take("sat") => &AddSaturated,
            "sub" when type == PtxType.S32 && form.Take("sat") => &SubSaturated,
            "mad" when type == PtxType.S32 && high && form.Take("sat") => &MadSaturated,
            "add" => Pick<Add>(form, type),
            "sub" => Pick<Sub>(form, type),
            "mul" or "mad" when wide => form.Name == "mul" ? Wide<None>(form, type) : Wide<Add>(form, type),
            "mul" => high ? Pick<MulHigh>(form, type) : Pick<Mul>(form, type),
            "mad" => high ? PickThree<MulHigh>(form, type) : PickThree<Mul>(form, type),
            "sad" => PickThree<Distance>(form, type),
            "div" => Pick<Div>(form, type),
            "rem" => Pick<Rem>(form, type),
            "min" => Pick<Min>(form, type),
            "max" => Pick<Max>(form, type),
            "abs" => PickOne<Abs>(form, type),
            _ => PickOne<Neg>(form, type),
        };
        return i;
    }

    /// <summary>What finds the method of an operation for a type.</summary>
    private static Op Pick<TOp>(PtxForm form, PtxType type) where TOp : IBinary => type switch
    {
        PtxType.S16 => &Two<TOp, short>,
        PtxType.U16 => &Two<TOp, ushort>,
        PtxType.S32 => &Two<TOp, int>,
        PtxType.U32 => &Two<TOp, uint>,
        PtxType.S64 => &Two<TOp, long>,
        PtxType.U64 => &Two<TOp, ulong>,
        _ => throw form.Unsupported("the type is not known"),
    };

    private static Op PickThree<TOp>(PtxForm form, PtxType type) where TOp : IBinary => type switch
    {
        PtxType.S16 => &Three<TOp, short>,
        PtxType.U16 => &Three<TOp, ushort>,
        PtxType.S32 => &Three<TOp, int>,
        PtxType.U32 => &Three<TOp, uint>,
        PtxType.S64 => &Three<TOp, long>,
        PtxType.U64 => &Three<TOp, ulong>,
        _ => throw form.Unsupported("the type is not known"),
    };

    private static Op PickOne<TOp>(PtxForm form, PtxType type) where TOp : IBinary => type switch
    {
        PtxType.S16 => &One<TOp, short>,
        PtxType.S32 => &One<TOp, int>,
        PtxType.S64 => &One<TOp, long>,
        _ => throw form.Unsupported("the type is not known"),
    };

    private static Op Wide<TAdd>(PtxForm form, PtxType type) where TAdd : struct => type switch
    {
        PtxType.S16 => &Wide<short, int, TAdd>,
        PtxType.U16 => &Wide<ushort, uint, TAdd>,
        PtxType.S32 => &Wide<int, long, TAdd>,
        _ => &Wide<uint, ulong, TAdd>,
    };

    private static PtxInstruction Dot(PtxForm form)
    {
        if (form.Types is not [PtxType.S32 or PtxType.U32, PtxType.S32 or PtxType.U32])
            throw form.Unsupported("the types are not known");
        PtxType result = form.Types.Contains(PtxType.S32) ? PtxType.S32 : PtxType.U32;
        return new()
        {
            Run = &DotOfBytes,
            D = form.Target(0, result),
            A = form.Source(1, form.Types[0]),
            B = form.Source(2, form.Types[1]),
            C = form.Source(3, result),
            Number = (form.Types[0].IsSigned() ? 1 : 0) + (form.Types[1].IsSigned() ? 2 : 0),
        };
    }

    private static void DotOfBytes(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int sum = (int)r[i->C];
        for (int k = 0; k < 4; k++)
        {
            byte a = ((byte*)(r + i->A))[k], b = ((byte*)(r + i->B))[k];
            sum += ((i->Number & 1) != 0 ? (sbyte)a : a) * ((i->Number & 2) != 0 ? (sbyte)b : b);
        }

        *(int*)(r + i->D) = sum;
    }

    private static void AddSaturated(PtxGroup group, ulong* r, PtxInstruction* i) => *(int*)(r + i->D) = int.CreateSaturating((long)*(int*)(r + i->A) + *(int*)(r + i->B));

    private static void SubSaturated(PtxGroup group, ulong* r, PtxInstruction* i) => *(int*)(r + i->D) = int.CreateSaturating((long)*(int*)(r + i->A) - *(int*)(r + i->B));

    private static void MadSaturated(PtxGroup group, ulong* r, PtxInstruction* i) =>
        *(int*)(r + i->D) = int.CreateSaturating(((long)*(int*)(r + i->A) * *(int*)(r + i->B) >> 32) + *(int*)(r + i->C));

    // Compiled well at once: kernels run before a runtime would find out which are asked for often.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<TOp, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TOp : IBinary where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> =>
        *(T*)(r + i->D) = TOp.Of(*(T*)(r + i->A), *(T*)(r + i->B));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Three<TOp, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TOp : IBinary where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> =>
        *(T*)(r + i->D) = TOp.Of(*(T*)(r + i->A), *(T*)(r + i->B)) + *(T*)(r + i->C);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<TOp, T>(PtxGroup group, ulong* r, PtxInstruction* i) where TOp : IBinary where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> =>
        *(T*)(r + i->D) = TOp.Of(*(T*)(r + i->A), T.Zero);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<T, TWide, TAdd>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IBinaryInteger<T> where TWide : unmanaged, IBinaryInteger<TWide>
    {
        TWide product = TWide.CreateTruncating(*(T*)(r + i->A)) * TWide.CreateTruncating(*(T*)(r + i->B));
        *(TWide*)(r + i->D) = typeof(TAdd) == typeof(Add) ? product + *(TWide*)(r + i->C) : product;
    }

    private interface IBinary
    {
        static abstract T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>;
    }

    private readonly struct None;

    private readonly struct Add : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a + b;
    }

    private readonly struct Sub : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a - b;
    }

    private readonly struct Mul : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a * b;
    }

    private readonly struct MulHigh : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => T.CreateTruncating((Int128.CreateTruncating(a) * Int128.CreateTruncating(b)) >> (8 * sizeof(T)));
    }

    private readonly struct Distance : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a < b ? b - a : a - b;
    }

    /// <summary>By zero the language leaves the quotient open: all ones here, as cards give.</summary>
    private readonly struct Div : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => b == T.Zero ? ~T.Zero : T.IsNegative(T.MinValue) && b == ~T.Zero ? T.Zero - a : a / b;
    }

    /// <summary>By zero the language leaves the rest open: the dividend here.</summary>
    private readonly struct Rem : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => b == T.Zero ? a : T.IsNegative(T.MinValue) && b == ~T.Zero ? T.Zero : a % b;
    }

    private readonly struct Min : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a < b ? a : b;
    }

    private readonly struct Max : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a > b ? a : b;
    }

    /// <summary>The least number stays itself.</summary>
    private readonly struct Abs : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a < T.Zero ? T.Zero - a : a;
    }

    private readonly struct Neg : IBinary
    {
        public static T Of<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => T.Zero - a;
    }
}
