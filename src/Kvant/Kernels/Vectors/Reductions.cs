using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Sums that have one shape at every width, because their last bit decides codes.</summary>
/// <remarks>
/// The scalar loop is the definition: element i is added to partial sum i mod 16, in order; then partial sum j takes
/// partial sum j + 8, j + 4, j + 2, j + 1. Wide code keeps the 16 partial sums in 1, 2 or 4 registers. The elements behind
/// the last 16 are added one by one. TensorPrimitives sums in the order of the machine's width and is no substitute here.
/// </remarks>
internal static unsafe class Reductions
{
    /// <summary>How many partial sums there are.</summary>
    public const int Partials = 16;

    /// <summary>The sum of squares of each row.</summary>
    /// <param name="rows">Rows one after the other, as many as there are sums, all of one length.</param>
    /// <param name="squares">Receives the sums.</param>
    public static void Squares(ReadOnlySpan<float> rows, Span<float> squares)
    {
        int length = rows.Length / Math.Max(1, squares.Length);
        float* partials = stackalloc float[Partials];
        fixed (float* x = rows)
        {
            for (int r = 0; r < squares.Length; r++)
                squares[r] = Dot(x + ((nint)r * length), x + ((nint)r * length), length, partials);
        }
    }

    /// <summary>The sum of a[i] * b[i].</summary>
    /// <param name="a">Floats.</param>
    /// <param name="b">As many.</param>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Debug.Assert(a.Length == b.Length, "The rows differ in length.");
        float* partials = stackalloc float[Partials];
        fixed (float* x = a, y = b)
            return Dot(x, y, a.Length, partials);
    }

    /// <summary>Adds up the partial sums, in their fixed order.</summary>
    /// <param name="partials"><see cref="Partials"/> floats; overwritten.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Total(float* partials)
    {
        if (SimdSupport.Active == SimdWidth.Scalar)
        {
            for (int h = Partials / 2; h > 0; h /= 2)
            {
                for (int i = 0; i < h; i++)
                    partials[i] += partials[i + h];
            }

            return partials[0];
        }

        Vector128<float> four = (Vector128.Load(partials) + Vector128.Load(partials + 8)) + (Vector128.Load(partials + 4) + Vector128.Load(partials + 12));
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return two[0] + two[1];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot(float* a, float* b, int length, float* partials)
    {
        int whole = length & -Partials;
        switch (SimdSupport.Active)
        {
            case SimdWidth.Bits512: Wide<Vector512<float>, Simd512>(a, b, whole, partials); break;
            case SimdWidth.Bits256: Wide<Vector256<float>, Simd256>(a, b, whole, partials); break;
            case SimdWidth.Bits128: Wide<Vector128<float>, Simd128>(a, b, whole, partials); break;
            default: Scalar(a, b, whole, partials); break;
        }

        for (int i = whole; i < length; i++)
            partials[i - whole] += a[i] * b[i];
        return Total(partials);
    }

    private static void Scalar(float* a, float* b, int length, float* partials)
    {
        new Span<float>(partials, Partials).Clear();
        for (int i = 0; i < length; i++)
            partials[i % Partials] += a[i] * b[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Wide<TVector, TSimd>(float* a, float* b, int length, float* partials)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes;
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        for (int i = 0; i < length; i += Partials)
        {
            s0 = TSimd.Add(s0, TSimd.Multiply(TSimd.Load(a + i), TSimd.Load(b + i)));
            if (lanes < 16)
                s1 = TSimd.Add(s1, TSimd.Multiply(TSimd.Load(a + i + lanes), TSimd.Load(b + i + lanes)));
            if (lanes < 8)
            {
                s2 = TSimd.Add(s2, TSimd.Multiply(TSimd.Load(a + i + 8), TSimd.Load(b + i + 8)));
                s3 = TSimd.Add(s3, TSimd.Multiply(TSimd.Load(a + i + 12), TSimd.Load(b + i + 12)));
            }
        }

        TSimd.Store(s0, partials);
        if (lanes < 16)
            TSimd.Store(s1, partials + lanes);
        if (lanes < 8)
        {
            TSimd.Store(s2, partials + 8);
            TSimd.Store(s3, partials + 12);
        }
    }
}
