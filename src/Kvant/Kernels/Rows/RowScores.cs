using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace Kvant.Kernels;

/// <summary>Dot products of a group of queries with the rows of a run.</summary>
/// <remarks>
/// The scalar loop is the definition. Wide code takes four rows with four queries (two where there are half as many registers, below 512 bits on
/// processors other than Arm's) and keeps their sixteen sums in registers, lane by lane; only at the end of the rows are lanes added up, four rows at
/// a time. A last block of fewer rows repeats its last row. Dimensions that do not fill whole registers take the widest that they fill.
/// </remarks>
internal static unsafe class RowScores
{
    private const int BlockRows = 4;

    /// <summary>scores[q, r] = query q . row r.</summary>
    /// <param name="run">The rows.</param>
    /// <param name="columns">Numbers in a row.</param>
    /// <param name="queries">The queries; may be longer.</param>
    /// <param name="queryStride">Floats from one query to the next.</param>
    /// <param name="count">Queries.</param>
    /// <param name="scores">Receives the scores; the row's number is the index.</param>
    /// <param name="scoreStride">Floats from the scores of one query to those of the next.</param>
    public static void Compute<TFormat>(
        RowRun run, int columns, ReadOnlySpan<float> queries, int queryStride, int count, Span<float> scores, int scoreStride)
        where TFormat : IRowFormat
    {
        Debug.Assert(scores.Length >= ((count - 1) * scoreStride) + run.Count && queries.Length >= ((count - 1) * queryStride) + columns, "Too short.");
        if (run.Count == 0 || count == 0)
            return;
        fixed (byte* bytes = run.Bytes, next = run.Upcoming)
        fixed (float* q = queries, s = scores, scales = run.Scales)
        {
            var job = new Job(bytes, run.Stride, run.Count, scales, columns, q, queryStride, count, s, scoreStride, next, run.Upcoming.Length);
            switch (SimdSupport.For(columns))
            {
                case SimdWidth.Bits512: Wide<Vector512<float>, Simd512, TFormat>(job); break;
                case SimdWidth.Bits256: Wide<Vector256<float>, Simd256, TFormat>(job); break;
                case SimdWidth.Bits128: Wide<Vector128<float>, Simd128, TFormat>(job); break;
                default: Scalar<TFormat>(job); break;
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
                float sum = 0;
                for (int c = 0; c < job.Columns; c++)
                    sum += job.Query[(q * job.QueryStride) + c] * TFormat.Number(job.Row(r) + TFormat.Offset(c), job.Scales + r + (c / 32 * job.Rows), c);
                job.Scores[(q * job.ScoreStride) + r] = sum;
            }
        }
    }

    private static void Wide<TVector, TSimd, TFormat>(in Job job)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
        where TFormat : IRowFormat
    {
        int q = 0;
        if (TSimd.Lanes == Simd512.Lanes || AdvSimd.IsSupported)
        {
            for (; q + 4 <= job.Queries; q += 4)
                Group<TVector, TSimd, TFormat, FourQueries<TVector, TSimd>>(job, q);
        }

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
        int lanes = TSimd.Lanes, columns = job.Columns, rows = job.Rows;
        nint stride = job.QueryStride, scoreStride = job.ScoreStride, scaleStride = job.Scales == null ? 0 : rows;
        float* query = job.Query + (first * stride), scores = job.Scores + (first * scoreStride), partial = stackalloc float[BlockRows * TGroup.Count];
        FieldConstants<TVector> opaque = FieldConstants<TVector>.Of<TSimd, TFormat>(), constants = new(opaque.Shifts, opaque.Mask, opaque.Exponent, opaque.Bias);
        byte* ahead = job.Upcoming;
        nint pace = first == 0 ? Prefetch.Pace(job.UpcomingBytes, (rows + BlockRows - 1) / BlockRows * ((columns + lanes) / (2 * lanes))) : 0;
        for (int r = 0; r < rows; r += BlockRows)
        {
            int r1 = Math.Min(r + 1, rows - 1), r2 = Math.Min(r + 2, rows - 1), r3 = Math.Min(r + 3, rows - 1);
            byte* row0 = job.Row(r), row1 = job.Row(r1), row2 = job.Row(r2), row3 = job.Row(r3);
            float* scale0 = job.Scales + r, scale1 = job.Scales + r1, scale2 = job.Scales + r2, scale3 = job.Scales + r3;
            TGroup sums0 = default, sums1 = default, sums2 = default, sums3 = default;
            for (int c = 0; c < columns; c += 2 * lanes)
            {
                // Of 512 bits, two registers are a group of 32 numbers: constants for the compiler.
                int left = lanes == 16 ? 0 : c & 31, right = lanes == 16 ? 16 : (c + lanes) & 31;
                nint at = TFormat.Offset(c), scale = (c >>> 5) * scaleStride;
                TGroup group = TGroup.Load(query + c, stride);
                sums0 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row0 + at, scale0 + scale, left, constants), group, sums0);
                sums1 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row1 + at, scale1 + scale, left, constants), group, sums1);
                sums2 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row2 + at, scale2 + scale, left, constants), group, sums2);
                sums3 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row3 + at, scale3 + scale, left, constants), group, sums3);
                ahead = Prefetch.Step(ahead, pace);
                if (c + lanes == columns)
                    break;
                at = TFormat.Offset(c + lanes);
                group = TGroup.Load(query + c + lanes, stride);
                sums0 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row0 + at, scale0 + scale, right, constants), group, sums0);
                sums1 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row1 + at, scale1 + scale, right, constants), group, sums1);
                sums2 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row2 + at, scale2 + scale, right, constants), group, sums2);
                sums3 = TGroup.MultiplyAdd(TFormat.Load<TVector, TSimd>(row3 + at, scale3 + scale, right, constants), group, sums3);
            }

            if (r + BlockRows <= rows)
            {
                TGroup.StoreSums(sums0, sums1, sums2, sums3, scores + r, scoreStride);
                continue;
            }

            TGroup.StoreSums(sums0, sums1, sums2, sums3, partial, BlockRows);
            for (int i = 0; i < TGroup.Count; i++)
            {
                for (int k = 0; r + k < rows; k++)
                    scores[(i * scoreStride) + r + k] = partial[(i * BlockRows) + k];
            }
        }
    }

    private readonly struct Job(
        byte* bytes, int stride, int rows, float* scales, int columns, float* query, int queryStride, int queries, float* scores, int scoreStride, byte* upcoming, int upcomingBytes)
    {
        public readonly int Rows = rows;
        public readonly int Columns = columns;
        public readonly float* Scales = scales;
        public readonly float* Query = query;
        public readonly int QueryStride = queryStride;
        public readonly int Queries = queries;
        public readonly float* Scores = scores;
        public readonly int ScoreStride = scoreStride;
        public readonly byte* Upcoming = upcoming;
        public readonly int UpcomingBytes = upcomingBytes;
        private readonly byte* _bytes = bytes;
        private readonly int _stride = stride;

        public byte* Row(int index) => _bytes + ((nint)index * _stride);
    }
}
