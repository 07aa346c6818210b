using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>Attending to bytes gives what decoding first would give: Decode is the definition.</summary>
public sealed class AttentionLaws
{
    private const int Queries = 3;

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void ScoresAndSumsEqualDecodeFirst(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            foreach (string content in TestRows.Contents)
                Check(codec, CodecCases.Encode(codec, TestRows.OfContent(content, 2 * codec.RowsPerBlock, codec.Dimension, seed: 17)), $"{name}, {content}");
            foreach (int blocks in (int[])[0, 1, 17])
                Check(codec, CodecCases.Encode(codec, TestRows.Gaussian(blocks * codec.RowsPerBlock, codec.Dimension, seed: blocks)), $"{name}, {blocks} blocks");
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void AnyBytesDecodeAndAttendAlike(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            var blocks = new byte[2 * codec.BytesPerBlock];
            Check(codec, blocks, $"{name}, zero bytes");
            blocks.AsSpan().Fill(0xFF);
            Check(codec, blocks, $"{name}, one bytes");
            for (int seed = 1; seed <= 3; seed++)
            {
                new Random(seed).NextBytes(blocks);
                Check(codec, blocks, $"{name}, random bytes of seed {seed}");
            }
        }
    }

    private static void Check(Codec codec, byte[] blocks, string name)
    {
        int dimension = codec.Dimension, rows = blocks.Length / codec.BytesPerBlock * codec.RowsPerBlock;
        float[] decoded = CodecCases.Decode(codec, blocks);
        float[] queries = TestRows.Gaussian(Queries, dimension, seed: 5), weights = TestRows.Gaussian(Queries, rows, seed: 6);
        var norms = new double[rows];
        for (int r = 0; r < rows; r++)
            norms[r] = Measure.Norm(decoded.AsSpan(r * dimension, dimension));

        PreparedQueries prepared = codec.CreatePreparedQueries(Queries);
        codec.Prepare(queries, prepared);
        var scores = new float[Queries * rows];
        codec.Score(prepared, blocks, scores);
        CheckScores(decoded, queries, norms, scores, dimension, name);

        var accumulators = new float[Queries * dimension];
        var outputs = new float[Queries * dimension];
        codec.Accumulate(weights, blocks, accumulators);
        codec.Finish(accumulators, outputs);
        CheckSums(decoded, weights, norms, outputs, dimension, name);
    }

    // Norms near the end of float overflow inside any dot product, so they say nothing.
    private static bool Comparable(double norm) => norm < 1e30;

    private static void CheckScores(float[] decoded, float[] queries, double[] norms, float[] scores, int dimension, string name)
    {
        double[] sizes = [.. Enumerable.Range(0, Queries).Select(q => Measure.Norm(queries.AsSpan(q * dimension, dimension)))];
        for (int i = 0; i < scores.Length; i++)
        {
            int q = i / norms.Length, r = i % norms.Length;
            if (!Comparable(norms[r]))
                continue;
            ReadOnlySpan<float> query = queries.AsSpan(q * dimension, dimension);
            double expected = Measure.Dot(query, decoded.AsSpan(r * dimension, dimension));
            double allowed = (Tolerances.Attention * sizes[q] * norms[r]) + float.Epsilon;
            // Not NaN either.
            if (!(Math.Abs(scores[i] - expected) <= allowed))
                Assert.Fail($"{name}: query {q} with row {r} scores {scores[i]}; decode-then-dot is {expected} +-{allowed:G3}.");
        }
    }

    private static void CheckSums(float[] decoded, float[] weights, double[] norms, float[] outputs, int dimension, string name)
    {
        if (!norms.All(Comparable))
            return;
        for (int q = 0; q < Queries; q++)
        {
            double size = 0, error = 0;
            var expected = new double[dimension];
            for (int r = 0; r < norms.Length; r++)
            {
                double weight = weights[(q * norms.Length) + r];
                size += Math.Abs(weight) * norms[r];
                ReadOnlySpan<float> row = decoded.AsSpan(r * dimension, dimension);
                for (int c = 0; c < row.Length; c++)
                    expected[c] += weight * row[c];
            }

            for (int c = 0; c < dimension; c++)
                error += Measure.Square(outputs[(q * dimension) + c] - expected[c]);
            Assert.True(Math.Sqrt(error) <= (Tolerances.Attention * size) + float.Epsilon, $"{name}: output {q} is off by {Math.Sqrt(error):G3} of {size:G3}.");
        }
    }
}
