using System.Diagnostics;
using Kvant.Codecs;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>What a codec costs and loses on vectors on their own, without a model.</summary>
internal sealed record VectorMeasurement
{
    /// <summary>Random unit queries that every row's dot products are estimated for.</summary>
    public int Queries { get; init; } = 16;

    /// <summary>Names the random queries.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Timed repetitions of the encoding; the median counts. 0 leaves the time out.</summary>
    public int Repetitions { get; init; } = 5;

    /// <summary>The least time that one repetition takes: small inputs are encoded many times.</summary>
    public TimeSpan RepetitionTime { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Encodes and decodes the rows and compares.</summary>
    /// <param name="rows">[row, dimension], at least one row.</param>
    /// <param name="dimension">Numbers in a row.</param>
    /// <param name="spec">The codec.</param>
    /// <param name="decoded">Receives the decoded rows, if it is not empty; then as long as <paramref name="rows"/>.</param>
    /// <exception cref="ArgumentException">A length is wrong, the codec does not take the dimension, or a number is not finite.</exception>
    public VectorResult Run(ReadOnlySpan<float> rows, int dimension, CodecSpec spec, Span<float> decoded = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return Run(rows, spec.CreateCodec(dimension), spec.FullText, decoded, spec.ToString());
    }

    internal VectorResult Run(ReadOnlySpan<float> rows, Codec codec, string name, Span<float> decoded = default, string? shortName = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Queries, 1);
        int dimension = codec.Dimension;
        if (rows.IsEmpty)
            throw new ArgumentException("There are no rows to measure; at least one is wanted.", nameof(rows));
        if (!decoded.IsEmpty && decoded.Length != rows.Length)
            throw new ArgumentException($"There is room for {decoded.Length} decoded floats; {rows.Length} are wanted.", nameof(decoded));
        // With fewer rows everything would stay in 16-bit floats, and those would be measured.
        int fewest = Math.Max(codec.CalibrationRows, codec.RowsPerBlock);
        if (rows.Length / dimension < fewest)
            throw new ArgumentException($"'{shortName ?? name}' needs at least {fewest} rows; there are {rows.Length / dimension}.", nameof(rows));
        EncodedRows encoded = EncodedRows.Encode(codec, rows);
        Span<float> result = decoded.IsEmpty ? new float[rows.Length] : decoded;
        encoded.Decode(result);

        var error = new NormalizedError();
        error.Add(rows, result);
        var cosine = new CosineSimilarity();
        for (int i = 0; i < rows.Length; i += dimension)
            cosine.Add(rows.Slice(i, dimension), result.Slice(i, dimension));
        InnerProductError products = EstimateProducts(rows, result, encoded);
        return new VectorResult
        {
            Codec = name,
            Rows = encoded.Rows,
            Dimension = dimension,
            BytesPerRow = (double)encoded.Bytes / encoded.Rows,
            BitsPerValue = 8.0 * encoded.Bytes / rows.Length,
            Nmse = error.Value,
            Cosine = cosine.Value,
            InnerProductBias = products.Bias,
            InnerProductRmse = products.Rmse,
            EncodeRowsPerSecond = Repetitions > 0 ? EncodeSpeed(rows, encoded) : 0,
        };
    }

    private InnerProductError EstimateProducts(ReadOnlySpan<float> rows, ReadOnlySpan<float> decoded, EncodedRows encoded)
    {
        Codec codec = encoded.Codec;
        int dimension = codec.Dimension, body = encoded.RowsInBlocks;
        // Another stream, so that rows made from the same seed are not the queries.
        float[] queries = RandomVectors.Unit(Queries, dimension, Seed, stream: 1);
        float[] scores = new float[checked(Queries * body)];
        if (body > 0)
        {
            PreparedQueries prepared = codec.CreatePreparedQueries(Queries);
            codec.Prepare(queries, prepared);
            codec.Score(prepared, encoded.Blocks, scores);
        }

        var errors = new InnerProductError();
        for (int r = 0; r < encoded.Rows; r++)
        {
            ReadOnlySpan<float> row = rows.Slice(r * dimension, dimension);
            double norm = Math.Sqrt(Dot(row, row));
            for (int q = 0; q < Queries; q++)
            {
                ReadOnlySpan<float> query = queries.AsSpan(q * dimension, dimension);
                // Scores are single precision; a product that is too large for it is taken from the decoded row.
                double estimate = r < body && float.IsFinite(scores[(q * body) + r])
                    ? scores[(q * body) + r]
                    : Dot(query, decoded.Slice(r * dimension, dimension));
                errors.Add(Dot(query, row), estimate, norm);
            }
        }

        return errors;
    }

    private double EncodeSpeed(ReadOnlySpan<float> rows, EncodedRows encoded)
    {
        int count = encoded.RowsInBlocks;
        if (count == 0)
            return 0;
        ReadOnlySpan<float> body = rows[..(count * encoded.Codec.Dimension)];
        byte[] blocks = new byte[encoded.Blocks.Length];
        int encodings = 1;
        for (double seconds = Time(body, blocks, encoded.Codec, 1); seconds < RepetitionTime.TotalSeconds; encodings *= 2)
            seconds = Time(body, blocks, encoded.Codec, encodings * 2); // warms the code up on its way
        double[] speeds = new double[Repetitions];
        for (int i = 0; i < speeds.Length; i++)
            speeds[i] = (double)count * encodings / Time(body, blocks, encoded.Codec, encodings);
        return Distribution.Of(speeds).Median;
    }

    private static double Time(ReadOnlySpan<float> rows, Span<byte> blocks, Codec codec, int encodings)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < encodings; i++)
            codec.Encode(rows, blocks);
        return Math.Max(Stopwatch.GetElapsedTime(start).TotalSeconds, 1e-9);
    }

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
