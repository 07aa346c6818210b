using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Weighted sums of the rows of a run, for a group of queries with weights of their own.</summary>
/// <remarks>
/// The scalar loop is the definition. Wide code takes two registers of columns and four queries and keeps their eight sums in registers
/// over a run of rows, then goes on to the next columns; the rows wait for it in the cache. Columns that do not fill whole registers
/// take the widest that they fill.
/// </remarks>
internal static unsafe class RowSums
{
    // A run of 128 rows of 128 floats fills the first-level cache twice, but is read line by line; more would only make its way longer.
    private const int RunRows = 128;

    /// <summary>sums[q, c] += weights[q, r] * row r, for the columns from <paramref name="start"/> on.</summary>
    /// <param name="run">The rows.</param>
    /// <param name="start">The first column.</param>
    /// <param name="columns">How many columns.</param>
    /// <param name="weights">The weights; the row's number is the index.</param>
    /// <param name="weightStride">Floats from the weights of one query to those of the next.</param>
    /// <param name="count">Queries.</param>
    /// <param name="sums">Added to; the column is the index.</param>
    /// <param name="sumStride">Floats from the sums of one query to those of the next.</param>
    public static void Add<TFormat>(
        RowRun run, int start, int columns, ReadOnlySpan<float> weights, int weightStride, int count, Span<float> sums, int sumStride)
        where TFormat : IRowFormat
    {
        Debug.Assert(weights.Length >= ((count - 1) * weightStride) + run.Count && sums.Length >= ((count - 1) * sumStride) + start + columns, "Too short.");
        Debug.Assert(run.Scales.IsEmpty, "Sums take the scales with the weights.");
        if (run.Count == 0 || count == 0)
            return;
        SimdWidth width = SimdSupport.For(columns);
        fixed (byte* bytes = run.Bytes, upcoming = run.Upcoming)
        fixed (float* w = weights, s = sums)
        {
            for (int r = 0; r < run.Count; r += RunRows)
            {
                int rows = Math.Min(RunRows, run.Count - r), after = run.Count - r - rows;
                byte* at = bytes + ((nint)r * run.Stride), next = at + ((nint)rows * run.Stride);
                // The rows after this part, or what the caller says comes next.
                var job = after > 0
                    ? new Job(at, run.Stride, rows, start, start + columns, w + r, weightStride, count, s, sumStride, next, Math.Min(after, RunRows) * run.Stride)
                    : new Job(at, run.Stride, rows, start, start + columns, w + r, weightStride, count, s, sumStride, upcoming, run.Upcoming.Length);
                switch (width)
                {
                    case SimdWidth.Bits512: Wide<Vector512<float>, Simd512, TFormat>(job); break;
                    case SimdWidth.Bits256: Wide<Vector256<float>, Simd256, TFormat>(job); break;
                    case SimdWidth.Bits128: Wide<Vector128<float>, Simd128, TFormat>(job); break;
                    default: Scalar<TFormat>(job); break;
                }
            }
        }
    }

    private static void Scalar<TFormat>(in Job job)
        where TFormat : IRowFormat
    {
        for (int q = 0; q < job.Queries; q++)
        {
            for (int r = 0; r < job.Rows; r++)
            {
                for (int c = job.Start; c < job.End; c++)
                    job.Sums[(q * job.SumStride) + c] += job.Weights[(q * job.WeightStride) + r] * TFormat.Number(job.Bytes + ((nint)r * job.Stride) + TFormat.Offset(c), null, c);
            }
        }
    }

    private static void Wide<TVector, TSimd, TFormat>(in Job job)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
        where TFormat : IRowFormat
    {
        int q = 0;
        for (; q + 4 <= job.Queries; q += 4)
            Group<TVector, TSimd, TFormat, FourQueries<TVector, TSimd>>(job, q);
        for (; q + 2 <= job.Queries; q += 2)
            Group<TVector, TSimd, TFormat, TwoQueries<TVector, TSimd>>(job, q);
        if (q < job.Queries)
            Group<TVector, TSimd, TFormat, OneQuery<TVector, TSimd>>(job, q);
    }

    private static void Group<TVector, TSimd, TFormat, TGroup>(in Job job, int first)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
        where TFormat : IRowFormat
        where TGroup : struct, IQueryGroup<TVector, TGroup>
    {
        int lanes = TSimd.Lanes, pairs = (job.End - job.Start) / (2 * lanes), rows = job.Rows, c = job.Start;
        nint stride = job.WeightStride, rowStride = job.Stride, sumStride = job.SumStride;
        float* weights = job.Weights + (first * stride), end = weights + rows, sums = job.Sums + (first * sumStride);
        FieldConstants<TVector> opaque = FieldConstants<TVector>.Of<TSimd, TFormat>(), constants = new(opaque.Shifts, opaque.Mask, opaque.Exponent, opaque.Bias);
        byte* ahead = job.Upcoming;
        nint pace = first == 0 ? Prefetch.Pace(job.UpcomingBytes, rows * pairs) : 0;
        for (; c + (2 * lanes) <= job.End; c += 2 * lanes)
        {
            // Of 512 bits, two registers are a group of 32 numbers: constants for the compiler.
            int left = lanes == 16 ? 0 : c & 31, right = lanes == 16 ? 16 : (c + lanes) & 31;
            TGroup leftSums = TGroup.Load(sums + c, sumStride), rightSums = TGroup.Load(sums + c + lanes, sumStride);
            byte* at = job.Bytes + TFormat.Offset(c);
            nint toRight = TFormat.Offset(c + lanes) - TFormat.Offset(c);
            for (float* weight = weights; weight < end; weight++, at += rowStride)
            {
                TGroup group = TGroup.Broadcast(weight, stride);
                leftSums = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(at, null, left, constants), group, leftSums);
                rightSums = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(at + toRight, null, right, constants), group, rightSums);
                ahead = Prefetch.Step(ahead, pace);
            }

            TGroup.Store(leftSums, sums + c, sumStride);
            TGroup.Store(rightSums, sums + c + lanes, sumStride);
        }

        if (c == job.End)
            return;
        TGroup rest = TGroup.Load(sums + c, sumStride);
        byte* last = job.Bytes + TFormat.Offset(c);
        for (float* weight = weights; weight < end; weight++, last += rowStride)
            rest = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(last, null, c, constants), TGroup.Broadcast(weight, stride), rest);
        TGroup.Store(rest, sums + c, sumStride);
    }

    private readonly struct Job(
        byte* bytes, int stride, int rows, int start, int end, float* weights, int weightStride, int queries, float* sums, int sumStride, byte* upcoming, int upcomingBytes)
    {
        public readonly int Rows = rows;
        public readonly int Start = start;
        public readonly int End = end;
        public readonly float* Weights = weights;
        public readonly int WeightStride = weightStride;
        public readonly int Queries = queries;
        public readonly float* Sums = sums;
        public readonly int SumStride = sumStride;
        public readonly byte* Upcoming = upcoming;
        public readonly int UpcomingBytes = upcomingBytes;
        public readonly byte* Bytes = bytes;
        public readonly int Stride = stride;
    }
}
