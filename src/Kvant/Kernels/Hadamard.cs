using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>
/// The Walsh-Hadamard transform of runs of 2^k floats, not normalized, each first multiplied by a vector of signs (and a factor).
/// </summary>
/// <remarks>
/// The scalar loop is the definition: stages h = 1, 2, 4, ..., each replacing a pair (a, b) that lies h apart by
/// (a + b, a - b). Wide code does the same additions in the same order: stages below the register's lanes as butterflies
/// inside a register, three more between eight registers in the same pass through memory, the others two stages (four registers)
/// per pass.
/// A length that does not fill whole registers takes the widest width that it fills.
/// </remarks>
internal static unsafe class Hadamard
{
    /// <summary>destination = H (source * signs), for every run of <paramref name="length"/> floats.</summary>
    /// <param name="source">The runs one after the other.</param>
    /// <param name="signs">Factors, one or several runs long; they repeat as often as needed.</param>
    /// <param name="destination">Receives as many floats as there are in the source; may be the source.</param>
    /// <param name="length">Floats of a run, a power of two.</param>
    public static void Transform(ReadOnlySpan<float> source, ReadOnlySpan<float> signs, Span<float> destination, int length)
    {
        Debug.Assert(int.IsPow2(length) && source.Length == destination.Length, "A transform takes runs of 2^k numbers.");
        Debug.Assert(signs.Length % length == 0 && destination.Length % signs.Length == 0, "The signs do not repeat in whole runs.");
        SimdWidth width = SimdSupport.For(length);
        fixed (float* s = source, g = signs, d = destination)
        {
            for (int i = 0; i < destination.Length; i += signs.Length)
            {
                switch (width)
                {
                    case SimdWidth.Bits512: Wide<Vector512<float>, Simd512>(s + i, g, d + i, signs.Length, length); break;
                    case SimdWidth.Bits256: Wide<Vector256<float>, Simd256>(s + i, g, d + i, signs.Length, length); break;
                    case SimdWidth.Bits128: Wide<Vector128<float>, Simd128>(s + i, g, d + i, signs.Length, length); break;
                    default: Scalar(s + i, g, d + i, signs.Length, length); break;
                }
            }
        }
    }

    private static void Scalar(float* source, float* signs, float* destination, int total, int length)
    {
        for (int i = 0; i < total; i++)
            destination[i] = source[i] * signs[i];
        for (int h = 1; h < length; h *= 2)
        {
            for (int i = 0; i < total; i++)
            {
                if ((i & h) != 0)
                    continue;
                float a = destination[i], b = destination[i + h];
                (destination[i], destination[i + h]) = (a + b, a - b);
            }
        }
    }

    // The passes go over all runs of a row before the next, as if they were one: no stage reaches from a run into the next.
    private static void Wide<TVector, TSimd>(float* source, float* signs, float* destination, int total, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, h;
        if (length >= 8 * lanes)
        {
            for (int i = 0; i < total; i += 8 * lanes)
                Eight<TVector, TSimd>(source + i, signs + i, destination + i);
            h = 8 * lanes;
        }
        else
        {
            for (int i = 0; i < total; i += lanes)
                TSimd.Store(Inside<TVector, TSimd>(source + i, signs + i), destination + i);
            h = lanes;
        }

        for (; 4 * h <= length; h *= 4)
        {
            for (int block = 0; block < total; block += 4 * h)
            {
                for (int i = block; i < block + h; i += lanes)
                {
                    float* p = destination + i;
                    Radix4<TVector, TSimd>(TSimd.Load(p), TSimd.Load(p + h), TSimd.Load(p + (2 * h)), TSimd.Load(p + (3 * h)), p, h);
                }
            }
        }

        if (h == length)
            return;
        for (int block = 0; block < total; block += 2 * h)
        {
            for (int i = block; i < block + h; i += lanes)
            {
                TVector a = TSimd.Load(destination + i), b = TSimd.Load(destination + i + h);
                TSimd.Store(TSimd.Add(a, b), destination + i);
                TSimd.Store(TSimd.Subtract(a, b), destination + i + h);
            }
        }
    }

    // All stages of eight registers that lie side by side.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight<TVector, TSimd>(float* source, float* signs, float* destination)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes;
        TVector a = Inside<TVector, TSimd>(source, signs), b = Inside<TVector, TSimd>(source + lanes, signs + lanes);
        TVector c = Inside<TVector, TSimd>(source + (2 * lanes), signs + (2 * lanes)), d = Inside<TVector, TSimd>(source + (3 * lanes), signs + (3 * lanes));
        Butterfly<TVector, TSimd>(ref a, ref b);
        Butterfly<TVector, TSimd>(ref c, ref d);
        Butterfly<TVector, TSimd>(ref a, ref c);
        Butterfly<TVector, TSimd>(ref b, ref d);
        TVector e = Inside<TVector, TSimd>(source + (4 * lanes), signs + (4 * lanes)), f = Inside<TVector, TSimd>(source + (5 * lanes), signs + (5 * lanes));
        TVector g = Inside<TVector, TSimd>(source + (6 * lanes), signs + (6 * lanes)), h = Inside<TVector, TSimd>(source + (7 * lanes), signs + (7 * lanes));
        Butterfly<TVector, TSimd>(ref e, ref f);
        Butterfly<TVector, TSimd>(ref g, ref h);
        Butterfly<TVector, TSimd>(ref e, ref g);
        Butterfly<TVector, TSimd>(ref f, ref h);
        TSimd.Store(TSimd.Add(a, e), destination);
        TSimd.Store(TSimd.Add(b, f), destination + lanes);
        TSimd.Store(TSimd.Add(c, g), destination + (2 * lanes));
        TSimd.Store(TSimd.Add(d, h), destination + (3 * lanes));
        TSimd.Store(TSimd.Subtract(a, e), destination + (4 * lanes));
        TSimd.Store(TSimd.Subtract(b, f), destination + (5 * lanes));
        TSimd.Store(TSimd.Subtract(c, g), destination + (6 * lanes));
        TSimd.Store(TSimd.Subtract(d, h), destination + (7 * lanes));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Butterfly<TVector, TSimd>(ref TVector a, ref TVector b)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector sum = TSimd.Add(a, b);
        b = TSimd.Subtract(a, b);
        a = sum;
    }

    // The stages inside one register.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Inside<TVector, TSimd>(float* source, float* signs)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector v = TSimd.Multiply(TSimd.Load(source), TSimd.Load(signs));
        v = TSimd.Butterfly(v, 1);
        v = TSimd.Butterfly(v, 2);
        if (TSimd.Lanes > 4)
            v = TSimd.Butterfly(v, 4);
        if (TSimd.Lanes > 8)
            v = TSimd.Butterfly(v, 8);
        return v;
    }

    // Two stages, h and 2h, over four registers that lie h apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Radix4<TVector, TSimd>(TVector a, TVector b, TVector c, TVector d, float* destination, int h)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector ab = TSimd.Add(a, b), amb = TSimd.Subtract(a, b), cd = TSimd.Add(c, d), cmd = TSimd.Subtract(c, d);
        TSimd.Store(TSimd.Add(ab, cd), destination);
        TSimd.Store(TSimd.Add(amb, cmd), destination + h);
        TSimd.Store(TSimd.Subtract(ab, cd), destination + (2 * h));
        TSimd.Store(TSimd.Subtract(amb, cmd), destination + (3 * h));
    }
}
