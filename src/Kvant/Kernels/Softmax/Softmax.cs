using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>One step of a softmax that goes over its scores in runs: logits in units of log2, weights relative to a maximum that may grow.</summary>
/// <remarks>Lanes are scores; what does not fill a register goes by four and one by one. 2^x is the power of the nearest whole number times a
/// polynomial of the rest, right to 2e-7: far finer than any code.</remarks>
internal static unsafe class Softmax
{
    /// <summary>1 / ln 2: turns logits into powers of two.</summary>
    public const float Log2E = 1.44269504f;

    // Below this a weight is nothing in fp32 beside the largest.
    private const float Least = -126;

    // Logits from here on are 32 and more apart: a maximum that is rounded as a product is would leave a weight that no float holds.
    private const float Far = 1 << 28;

    // The polynomial through 2^x at the six Chebyshev points of -1/2 to 1/2.
    private const float C0 = 1.00000007545f;
    private const float C1 = 0.69314718803f;
    private const float C2 = 0.24022107485f;
    private const float C3 = 0.05550357114f;
    private const float C4 = 0.00967603192f;
    private const float C5 = 0.00133908634f;

    /// <summary>Turns scores into logits, in place, and returns the largest.</summary>
    /// <param name="scores">At least one score.</param>
    /// <param name="map">How.</param>
    /// <param name="bias">What the first logit has added; each next one has <see cref="LogitMap.BiasStep"/> more.</param>
    public static float ToLogits(Span<float> scores, in LogitMap map, float bias) => Logits(scores, map, bias, keep: true);

    // Without keeping them, only the largest.
    private static float Logits(Span<float> scores, in LogitMap map, float bias, bool keep)
    {
        fixed (float* s = scores)
        {
            int done = 0;
            float largest = float.NegativeInfinity;
            if (SimdSupport.Active == SimdWidth.Bits512)
                Logits<Vector512<float>, SoftmaxSimd512>(s, scores.Length, map, bias, keep, ref done, ref largest);
            else if (SimdSupport.Active == SimdWidth.Bits256)
                Logits<Vector256<float>, SoftmaxSimd256>(s, scores.Length, map, bias, keep, ref done, ref largest);
            if (SimdSupport.Active != SimdWidth.Scalar)
                Logits<Vector128<float>, SoftmaxSimd128>(s, scores.Length, map, bias, keep, ref done, ref largest);

            // As the registers round it: far from zero the last bit is much.
            bool plain = map.Cap == 0 && map.BiasStep == 0;
            for (int i = done; i < scores.Length; i++)
            {
                float x = s[i] * map.Scale;
                if (map.Cap > 0)
                    x = MathF.Tanh(x / map.Cap) * map.Cap;
                x = plain ? MathF.FusedMultiplyAdd(s[i], map.Scale * Log2E, bias) : (x * Log2E) + (bias + (map.BiasStep * i));
                if (keep)
                    s[i] = x;
                largest = MathF.Max(largest, x);
            }

            return largest;
        }
    }

    /// <summary>Turns the scores of a run into weights, in place, relative to the largest logit of all runs so far.</summary>
    /// <param name="scores">At least one score.</param>
    /// <param name="map">How scores become logits.</param>
    /// <param name="bias">As in <see cref="ToLogits"/>.</param>
    /// <param name="maximum">The largest logit of the runs before; minus infinity before the first.</param>
    /// <param name="sum">The sum of all weights.</param>
    /// <returns>What everything that was weighted before must be multiplied by: 1, or less if the maximum grew.</returns>
    public static float Step(Span<float> scores, in LogitMap map, float bias, ref float maximum, ref float sum)
    {
        // Without a cap the weights come straight from the scores, and without a slope the largest score makes the largest logit.
        float scale = map.Scale * Log2E, offset = bias, step = map.BiasStep, factor = 1;
        float largest = map.Cap > 0 ? float.NaN : step == 0 ? (Largest(scores) * scale) + bias : Logits(scores, map, bias, keep: false);
        if (!(MathF.Abs(largest) < Far))
            (largest, scale, offset, step) = (ToLogits(scores, map, bias), 1, 0, 0);
        // Scores that no float holds say nothing about the weights, and what comes out should say so.
        if (!float.IsFinite(largest))
            maximum = float.NaN;
        if (largest > maximum)
        {
            factor = MathF.Pow(2, maximum - largest);
            maximum = largest;
        }

        (float top, float rest) = Split(scale, offset, maximum);
        sum = (sum * factor) + ToWeights(scores, scale, top, rest, step);
        return factor;
    }

    /// <summary><see cref="Step"/> for queries that all see all rows, without bias: four at a time, which hides what each waits for.</summary>
    /// <param name="scores">[query, row].</param>
    /// <param name="map">How scores become logits.</param>
    /// <param name="maxima">Per query, the largest logit so far.</param>
    /// <param name="sums">Per query, the sum of all weights.</param>
    /// <param name="factors">Receives, per query, what <see cref="Step"/> returns.</param>
    public static void Steps(Span<float> scores, in LogitMap map, Span<float> maxima, Span<float> sums, Span<float> factors)
    {
        int rows = scores.Length / maxima.Length, done = 0;
        if (SimdSupport.Active >= SimdWidth.Bits256 && map.Cap == 0 && rows % SoftmaxSimd512.Lanes == 0)
        {
            float scale = map.Scale * Log2E;
            fixed (float* s = scores, m = maxima, sum = sums, f = factors)
            {
                while (done + 4 <= maxima.Length && (SimdSupport.Active == SimdWidth.Bits512
                    ? Four<Vector512<float>, SoftmaxSimd512>(s + ((nint)done * rows), rows, scale, m + done, sum + done, f + done)
                    : Four<Vector256<float>, SoftmaxSimd256>(s + ((nint)done * rows), rows, scale, m + done, sum + done, f + done)))
                    done += 4;
            }
        }

        for (; done < maxima.Length; done++)
            factors[done] = Step(scores.Slice(done * rows, rows), map, 0, ref maxima[done], ref sums[done]);
    }

    // score * scale + offset - maximum as (score - top) * scale + rest: the difference is small where it matters, while a product of a large score would
    // round by more than a weight bears. The maximum itself may be rounded: it is the same number for all.
    private static (float Top, float Remainder) Split(float scale, float offset, float maximum)
    {
        float top = (maximum - offset) / scale;
        if (!float.IsFinite(top))
            top = 0;
        return (top, (float)(((double)top * scale) + offset - maximum));
    }

    // False, and nothing done, where logits are far from zero.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static bool Four<TVector, TSimd>(float* s, int rows, float scale, float* maxima, float* sums, float* factors)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        int lanes = TSimd.Lanes;
        float* s1 = s + rows, s2 = s1 + rows, s3 = s2 + rows;
        TVector m0 = TSimd.Load(s), m1 = TSimd.Load(s1), m2 = TSimd.Load(s2), m3 = TSimd.Load(s3);
        for (int i = lanes; i < rows; i += lanes)
        {
            m0 = TSimd.Max(m0, TSimd.Load(s + i));
            m1 = TSimd.Max(m1, TSimd.Load(s1 + i));
            m2 = TSimd.Max(m2, TSimd.Load(s2 + i));
            m3 = TSimd.Max(m3, TSimd.Load(s3 + i));
        }

        float l0 = TSimd.Largest(m0) * scale, l1 = TSimd.Largest(m1) * scale, l2 = TSimd.Largest(m2) * scale, l3 = TSimd.Largest(m3) * scale;
        if (!(MathF.Max(MathF.Max(MathF.Abs(l0), MathF.Abs(l1)), MathF.Max(MathF.Abs(l2), MathF.Abs(l3))) < Far))
            return false;
        Raise(l0, maxima, factors);
        Raise(l1, maxima + 1, factors + 1);
        Raise(l2, maxima + 2, factors + 2);
        Raise(l3, maxima + 3, factors + 3);
        (float top0, float rest0) = Split(scale, 0, maxima[0]);
        (float top1, float rest1) = Split(scale, 0, maxima[1]);
        (float top2, float rest2) = Split(scale, 0, maxima[2]);
        (float top3, float rest3) = Split(scale, 0, maxima[3]);
        TVector k = TSimd.Broadcast(scale), t0 = TSimd.Broadcast(-top0), t1 = TSimd.Broadcast(-top1), t2 = TSimd.Broadcast(-top2), t3 = TSimd.Broadcast(-top3);
        TVector r0 = TSimd.Broadcast(rest0), r1 = TSimd.Broadcast(rest1), r2 = TSimd.Broadcast(rest2), r3 = TSimd.Broadcast(rest3);
        TVector a0 = TSimd.Broadcast(0), a1 = a0, a2 = a0, a3 = a0;
        for (int i = 0; i < rows; i += lanes)
        {
            a0 = TSimd.Add(a0, Weight<TVector, TSimd>(s + i, t0, k, r0));
            a1 = TSimd.Add(a1, Weight<TVector, TSimd>(s1 + i, t1, k, r1));
            a2 = TSimd.Add(a2, Weight<TVector, TSimd>(s2 + i, t2, k, r2));
            a3 = TSimd.Add(a3, Weight<TVector, TSimd>(s3 + i, t3, k, r3));
        }

        sums[0] = (sums[0] * factors[0]) + TSimd.Sum(a0);
        sums[1] = (sums[1] * factors[1]) + TSimd.Sum(a1);
        sums[2] = (sums[2] * factors[2]) + TSimd.Sum(a2);
        sums[3] = (sums[3] * factors[3]) + TSimd.Sum(a3);
        return true;
    }

    private static void Raise(float largest, float* maximum, float* factor)
    {
        *factor = 1;
        if (largest <= *maximum)
            return;
        *factor = MathF.Pow(2, *maximum - largest);
        *maximum = largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Weight<TVector, TSimd>(float* score, TVector minusTop, TVector scale, TVector rest)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        TVector weight = Exp2<TVector, TSimd>(TSimd.MultiplyAdd(TSimd.Add(TSimd.Load(score), minusTop), scale, rest));
        TSimd.Store(weight, score);
        return weight;
    }

    private static float Largest(ReadOnlySpan<float> scores)
    {
        fixed (float* s = scores)
        {
            int done = 0;
            float largest = float.NegativeInfinity;
            if (SimdSupport.Active == SimdWidth.Bits512)
                Largest<Vector512<float>, SoftmaxSimd512>(s, scores.Length, ref done, ref largest);
            else if (SimdSupport.Active == SimdWidth.Bits256)
                Largest<Vector256<float>, SoftmaxSimd256>(s, scores.Length, ref done, ref largest);
            for (int i = done; i < scores.Length; i++)
                largest = MathF.Max(largest, s[i]);
            return largest;
        }
    }

    // 2^((score - top) * scale + rest + step * its place), in place; returns the sum.
    private static float ToWeights(Span<float> scores, float scale, float top, float rest, float step)
    {
        fixed (float* s = scores)
        {
            int done = 0;
            float sum = 0;
            if (SimdSupport.Active == SimdWidth.Bits512)
                sum += Weights<Vector512<float>, SoftmaxSimd512>(s, scores.Length, scale, top, rest, step, ref done);
            else if (SimdSupport.Active == SimdWidth.Bits256)
                sum += Weights<Vector256<float>, SoftmaxSimd256>(s, scores.Length, scale, top, rest, step, ref done);
            if (SimdSupport.Active != SimdWidth.Scalar)
                sum += Weights<Vector128<float>, SoftmaxSimd128>(s, scores.Length, scale, top, rest, step, ref done);
            for (int i = done; i < scores.Length; i++)
                sum += s[i] = MathF.Pow(2, MathF.Max(((s[i] - top) * scale) + (rest + (step * i)), Least));
            return sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Largest<TVector, TSimd>(float* s, int count, ref int done, ref float most)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        int lanes = TSimd.Lanes, i = lanes;
        if (count < lanes)
            return;
        TVector largest = TSimd.Load(s);
        for (; i + lanes <= count; i += lanes)
            largest = TSimd.Max(largest, TSimd.Load(s + i));
        done = i;
        most = TSimd.Largest(largest);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Logits<TVector, TSimd>(float* s, int count, in LogitMap map, float bias, bool keep, ref int done, ref float most)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        int lanes = TSimd.Lanes, i = done;
        if (i + lanes > count)
            return;
        TVector largest = TSimd.Broadcast(float.NegativeInfinity);
        if (map.Cap == 0 && map.BiasStep == 0)
        {
            TVector factor = TSimd.Broadcast(map.Scale * Log2E), offset = TSimd.Broadcast(bias);
            for (; i + lanes <= count; i += lanes)
            {
                TVector x = TSimd.MultiplyAdd(TSimd.Load(s + i), factor, offset);
                TSimd.Store(x, s + i);
                largest = TSimd.Max(largest, x);
            }
        }
        else
        {
            float* steps = stackalloc float[lanes];
            for (int k = 0; k < lanes; k++)
                steps[k] = bias + ((i + k) * map.BiasStep);
            TVector offset = TSimd.Load(steps), step = TSimd.Broadcast(lanes * map.BiasStep), log2E = TSimd.Broadcast(Log2E);
            for (; i + lanes <= count; i += lanes, offset = TSimd.Add(offset, step))
            {
                TVector x = TSimd.Multiply(TSimd.Load(s + i), TSimd.Broadcast(map.Scale));
                if (map.Cap > 0)
                    x = Capped<TVector, TSimd>(x, map.Cap);
                x = TSimd.MultiplyAdd(x, log2E, offset);
                if (keep)
                    TSimd.Store(x, s + i);
                largest = TSimd.Max(largest, x);
            }
        }

        done = i;
        most = MathF.Max(most, TSimd.Largest(largest));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Weights<TVector, TSimd>(float* s, int count, float scale, float top, float rest, float step, ref int done)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        int lanes = TSimd.Lanes, i = done;
        if (i + lanes > count)
            return 0;
        float* own = stackalloc float[lanes];
        for (int k = 0; k < lanes; k++)
            own[k] = rest + ((i + k) * step);
        TVector scales = TSimd.Broadcast(scale), minusTop = TSimd.Broadcast(-top), rests = TSimd.Load(own), next = TSimd.Broadcast(lanes * step), sum = TSimd.Broadcast(0);
        for (; i + lanes <= count; i += lanes, rests = TSimd.Add(rests, next))
            sum = TSimd.Add(sum, Weight<TVector, TSimd>(s + i, minusTop, scales, rests));

        done = i;
        return TSimd.Sum(sum);
    }

    // cap * tanh(x / cap), tanh(y) = 1 - 2 / (1 + e^2y).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Capped<TVector, TSimd>(TVector x, float cap)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        TVector one = TSimd.Broadcast(1), limit = TSimd.Broadcast(-100);
        TVector power = TSimd.Multiply(x, TSimd.Broadcast(2 * Log2E / cap));
        // Beyond 100 the tangent is 1 in floats, and the power would leave their range: cut it there, from above by the negative.
        power = TSimd.Multiply(TSimd.Max(TSimd.Multiply(power, TSimd.Broadcast(-1)), limit), TSimd.Broadcast(-1));
        TVector two = TSimd.Divide(TSimd.Broadcast(-2), TSimd.Add(one, Exp2<TVector, TSimd>(power)));
        return TSimd.Multiply(TSimd.Add(one, two), TSimd.Broadcast(cap));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Exp2<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : ISoftmaxSimd<TVector>
    {
        x = TSimd.Max(x, TSimd.Broadcast(Least));
        TVector whole = TSimd.Round(x), f = TSimd.MultiplyAdd(whole, TSimd.Broadcast(-1), x);
        TVector series = TSimd.MultiplyAdd(TSimd.Broadcast(C5), f, TSimd.Broadcast(C4));
        series = TSimd.MultiplyAdd(series, f, TSimd.Broadcast(C3));
        series = TSimd.MultiplyAdd(series, f, TSimd.Broadcast(C2));
        series = TSimd.MultiplyAdd(series, f, TSimd.Broadcast(C1));
        series = TSimd.MultiplyAdd(series, f, TSimd.Broadcast(C0));
        return TSimd.ScaleByPower(series, whole);
    }
}
