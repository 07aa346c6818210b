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
/// per pass. Several rounds of rows that fill a few registers are one pass (<see cref="HadamardRegisters"/>).
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

    /// <summary>destination = H D_n ... H D_2 H D_1 source, for every row of <paramref name="length"/> floats.</summary>
    /// <param name="source">The rows one after the other.</param>
    /// <param name="signs">D_1 to D_n: a row of factors per round.</param>
    /// <param name="destination">Receives as many floats as there are in the source; may be the source.</param>
    /// <param name="length">Floats of a row, a power of two.</param>
    public static void Rounds(ReadOnlySpan<float> source, ReadOnlySpan<float> signs, Span<float> destination, int length)
    {
        Debug.Assert(int.IsPow2(length) && source.Length == destination.Length && source.Length % length == 0, "A transform takes rows of 2^k numbers.");
        Debug.Assert(signs.Length % length == 0, "The rounds have no whole rows of signs.");
        int rounds = signs.Length / length, done;
        fixed (float* s = source, g = signs, d = destination)
        {
            done = SimdSupport.For(length) switch
            {
                SimdWidth.Bits512 => HadamardRegisters.Rounds<Vector512<float>, Simd512>(s, g, rounds, d, destination.Length, length),
                SimdWidth.Bits256 => HadamardRegisters.Rounds<Vector256<float>, Simd256>(s, g, rounds, d, destination.Length, length),
                SimdWidth.Bits128 => HadamardRegisters.Rounds<Vector128<float>, Simd128>(s, g, rounds, d, destination.Length, length),
                _ => 0,
            };
        }

        // One round over all rows that are left before the next: the rows do not wait for each other, the rounds of one row do.
        Span<float> left = destination[done..];
        for (int round = 0; round < rounds && !left.IsEmpty; round++)
            Transform(round == 0 ? source[done..] : left, signs.Slice(round * length, length), left, length);
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
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TVector, TSimd>(float* source, float* signs, float* destination, int total, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, h;
        if (length >= 8 * lanes)
        {
            HadamardRegisters.Eight<TVector, TSimd>(source, signs, 1, destination, total, ownSigns: true);
            h = 8 * lanes;
        }
        else
        {
            for (int i = 0; i < total; i += lanes)
                TSimd.Store(HadamardRegisters.Inside<TVector, TSimd>(TSimd.Load(source + i), signs + i), destination + i);
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
