using System.Runtime.CompilerServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>What an instruction on floating-point numbers computes.</summary>
internal enum PtxFloatOp
{
    Add, Sub, Mul, Fma, Div, DivApproximate, Sqrt, Rcp, Rsqrt, Ex2, Lg2, Sin, Cos, Tanh, Min, Max, MinNaN, MaxNaN, Abs, Neg, CopySign,
}

/// <summary>Arithmetic of floating-point numbers, rounded as the instruction says.</summary>
internal static unsafe class PtxFloats
{
    /// <summary>What a result is that is not a number.</summary>
    public static readonly float NaN = BitConverter.UInt32BitsToSingle(0x7FFFFFFF);

    public static PtxInstruction Decode(PtxForm form)
    {
        PtxType type = form.Type;
        string name = form.Name == "mad" ? "fma" : form.Name;
        bool arithmetic = name is "add" or "sub" or "mul" or "fma", quotient = name is "div" or "sqrt" or "rcp", table = name is "ex2" or "lg2" or "sin" or "cos" or "tanh" or "rsqrt";
        bool approximate = (quotient || table) && (form.Take("approx") || name == "div" && form.Take("full"));
        string? rounding = arithmetic || quotient && !approximate ? form.TakeOne("rn", "rz", "rm", "rp") : null;
        if (rounding == null && !approximate && (quotient || table || name == "fma") || approximate && type != PtxType.F32 || rounding is "rz" or "rm" or "rp" && type != PtxType.F32)
            throw form.Unsupported("the rounding is not known");
        string op = name is "min" or "max" && form.Take("NaN") ? name + "NaN" : name == "div" && approximate ? "DivApproximate" : name;
        var i = new PtxInstruction
        {
            D = form.Target(0, type),
            A = form.Source(1, type),
            Number = (int)Enum.Parse<PtxFloatOp>(op, true),
            Rounding = rounding switch { "rz" => PtxRounding.Zero, "rm" => PtxRounding.Down, "rp" => PtxRounding.Up, _ => PtxRounding.Nearest },
            Flush = type == PtxType.F32 && form.Take("ftz"),
            Saturate = arithmetic && type != PtxType.F64 && form.Take("sat"),
        };
        i.B = name is "add" or "sub" or "mul" or "fma" or "div" or "min" or "max" or "copysign" ? form.Source(2, type) : i.A;
        i.C = name == "fma" ? form.Source(3, type) : i.A;
        bool plain = i is { Rounding: PtxRounding.Nearest, Flush: false, Saturate: false };
        i.Run = type switch
        {
            PtxType.F32 when plain => name switch { "add" => &Add, "sub" => &Sub, "mul" => &Mul, "fma" => &Fma, "max" when op == "max" => &Max, _ => &Single },
            PtxType.F32 => &Single,
            PtxType.F64 => &Double,
            PtxType.F16 => &OneHalf,
            _ => &TwoHalves,
        };
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(PtxGroup group, ulong* r, PtxInstruction* i) => Put(r + i->D, *(float*)(r + i->A) + *(float*)(r + i->B));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sub(PtxGroup group, ulong* r, PtxInstruction* i) => Put(r + i->D, *(float*)(r + i->A) - *(float*)(r + i->B));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mul(PtxGroup group, ulong* r, PtxInstruction* i) => Put(r + i->D, *(float*)(r + i->A) * *(float*)(r + i->B));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Fma(PtxGroup group, ulong* r, PtxInstruction* i) => Put(r + i->D, MathF.FusedMultiplyAdd(*(float*)(r + i->A), *(float*)(r + i->B), *(float*)(r + i->C)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Max(PtxGroup group, ulong* r, PtxInstruction* i) => Put(r + i->D, float.MaxNumber(*(float*)(r + i->A), *(float*)(r + i->B)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Put(ulong* to, float value) => *(float*)to = float.IsNaN(value) ? NaN : value;

    /// <summary>Subnormals as zeros of their sign.</summary>
    public static float Flushed(float x, bool flush) => flush && float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Single(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        float a = Flushed(*(float*)(r + i->A), i->Flush), b = Flushed(*(float*)(r + i->B), i->Flush), c = Flushed(*(float*)(r + i->C), i->Flush);
        var op = (PtxFloatOp)i->Number;
        // Signs are changed without a look at the number.
        if (op is PtxFloatOp.Abs or PtxFloatOp.Neg or PtxFloatOp.CopySign)
        {
            *(float*)(r + i->D) = op == PtxFloatOp.Neg ? -a : op == PtxFloatOp.Abs ? MathF.Abs(a) : MathF.CopySign(b, a);
            return;
        }

        float result = Compute(op, a, b, c, i->Rounding);
        if (i->Saturate)
            result = float.IsNaN(result) || result <= 0 ? 0 : MathF.Min(result, 1);
        Put(r + i->D, Flushed(result, i->Flush));
    }

    /// <summary>An operation rounded once to single precision.</summary>
    private static float Compute(PtxFloatOp op, double a, double b, double c, PtxRounding rounding)
    {
        (double value, double error) = op switch
        {
            PtxFloatOp.Add => PtxRound.Sum(a, b, rounding),
            PtxFloatOp.Sub => PtxRound.Sum(a, -b, rounding),
            // Products of singles are exact.
            PtxFloatOp.Mul => (a * b, 0),
            PtxFloatOp.Fma => PtxRound.Sum(a * b, c, rounding),
            PtxFloatOp.Div => PtxRound.Quotient(a, b),
            PtxFloatOp.Rcp => PtxRound.Quotient(1, a),
            PtxFloatOp.Sqrt => PtxRound.Root(a),
            // Divisors beyond what its method bears give zero.
            PtxFloatOp.DivApproximate => Math.Abs(b) > Math.ScaleB(1, 126) && double.IsFinite(b) ? (double.IsFinite(a) ? 0 * (a / b) : double.NaN, 0) : (a / b, 0),
            PtxFloatOp.Rsqrt => (1 / Math.Sqrt(a), 0),
            PtxFloatOp.Ex2 => (Math.Pow(2, a), 0),
            PtxFloatOp.Lg2 => (Math.Log2(a), 0),
            PtxFloatOp.Sin => (Math.Sin(a), 0),
            PtxFloatOp.Cos => (Math.Cos(a), 0),
            PtxFloatOp.Tanh => (Math.Tanh(a), 0),
            _ => (Other(op, a, b), 0),
        };
        return PtxRound.Single(value, error, rounding);
    }

    /// <summary>Operations whose results no rounding changes.</summary>
    private static double Other(PtxFloatOp op, double a, double b) => op switch
    {
        PtxFloatOp.Min => double.MinNumber(a, b),
        PtxFloatOp.Max => double.MaxNumber(a, b),
        PtxFloatOp.MinNaN => Math.Min(a, b),
        PtxFloatOp.MaxNaN => Math.Max(a, b),
        PtxFloatOp.Abs => Math.Abs(a),
        PtxFloatOp.Neg => -a,
        _ => Math.CopySign(b, a),
    };

    private static void Double(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        double a = *(double*)(r + i->A), b = *(double*)(r + i->B), c = *(double*)(r + i->C);
        *(double*)(r + i->D) = (PtxFloatOp)i->Number switch
        {
            PtxFloatOp.Add => a + b,
            PtxFloatOp.Sub => a - b,
            PtxFloatOp.Mul => a * b,
            PtxFloatOp.Fma => Math.FusedMultiplyAdd(a, b, c),
            PtxFloatOp.Div => a / b,
            PtxFloatOp.Rcp => 1 / a,
            PtxFloatOp.Sqrt => Math.Sqrt(a),
            var op => Other(op, a, b),
        };
    }

    private static void OneHalf(PtxGroup group, ulong* r, PtxInstruction* i) => *(Half*)(r + i->D) = HalfOf(r, i, 0);

    private static void TwoHalves(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        Half low = HalfOf(r, i, 0), high = HalfOf(r, i, 1);
        ((Half*)(r + i->D))[0] = low;
        ((Half*)(r + i->D))[1] = high;
    }

    private static Half HalfOf(ulong* r, PtxInstruction* i, int part)
    {
        double a = (double)((Half*)(r + i->A))[part], b = (double)((Half*)(r + i->B))[part], c = (double)((Half*)(r + i->C))[part];
        (double value, double error) = (PtxFloatOp)i->Number switch
        {
            PtxFloatOp.Add => PtxRound.Sum(a, b, PtxRounding.Nearest),
            PtxFloatOp.Sub => PtxRound.Sum(a, -b, PtxRounding.Nearest),
            PtxFloatOp.Mul => (a * b, 0),
            PtxFloatOp.Fma => PtxRound.Sum(a * b, c, PtxRounding.Nearest),
            PtxFloatOp.Div => PtxRound.Quotient(a, b),
            PtxFloatOp.Sqrt => PtxRound.Root(a),
            PtxFloatOp.Rcp => PtxRound.Quotient(1, a),
            var op => (Other(op, a, b), 0),
        };
        if (i->Saturate)
            (value, error) = double.IsNaN(value) || value <= 0 ? (0, 0) : value >= 1 ? (1, 0) : (value, error);
        return PtxRound.Half(value, error, PtxRounding.Nearest);
    }
}
