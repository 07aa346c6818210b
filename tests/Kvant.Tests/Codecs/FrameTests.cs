using Kvant.Codecs;
using Kvant.Tests.Kernels;

namespace Kvant.Tests.Codecs;

/// <summary>What is learnt of a head: the vector that all its rows share before positions turn them, and units of channels.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class FrameTests
{
    private const int Rows = 512;

    private static readonly RotaryEmbedding s_halves = new() { Base = 1_000_000 }, s_neighbors = new() { Pairs = RotaryPairs.Neighbors, Divisor = 4 };

    // As if there were no shared vector: what is left of it is a 128th of the energy of noise.
    [Theory]
    [InlineData("turboquant:bits=4,frame=constant", 64, false)]
    [InlineData("turboquant:bits=3,code=trellis,frame=constant", 64, true)]
    [InlineData("turboquant:bits=2,mean=32,frame=constant", 128, false)]
    [InlineData("q8_0:frame=constant", 96, true)]
    [InlineData("q4_0:frame=constant", 128, false)]
    public void SharedVectorCostsNothingHoweverLongItIsAndHoweverFastItTurns(string spec, int dimension, bool neighbors)
    {
        RotaryEmbedding rotary = neighbors ? s_neighbors : s_halves;
        float[] alone = Keys(dimension, rotary, length: 0), with = Keys(dimension, rotary, length: 30);
        double expected = Error(spec.Replace(",frame=constant", "").Replace(":frame=constant", ""), alone, alone, dimension, CalibrationContext.Unknown);
        double found = Error(spec, with, alone, dimension, new() { Rotary = rotary });
        Assert.InRange(found, 0.95 * expected, 1.05 * expected);
        Assert.True(found < 0.2, $"{found}: zeros have 1.");

        // Who does not know how it turns has hardly anything of it.
        Assert.True(Error(spec, with, alone, dimension, CalibrationContext.Unknown) > 3 * expected);
    }

    [Theory]
    [InlineData("turboquant:bits=4,frame=balanced", 64, false)]
    [InlineData("turboquant:bits=3,code=trellis,mean=32,meanbits=8,frame=balanced", 128, true)]
    [InlineData("turboquant:bits=2,frame=constant", 32, true)]
    [InlineData("q8:frame=balanced", 80, false)]
    [InlineData("q8_0:frame=constant", 96, false)]
    public void ScoresAndSumsOfTurningRowsEqualDecodeFirst(string spec, int dimension, bool neighbors)
    {
        Codec codec = Learnt(spec, dimension, neighbors ? s_neighbors : s_halves, length: 20);
        float[] queries = TestRows.Gaussian(5, dimension, seed: 3);
        PreparedQueries prepared = codec.CreatePreparedQueries(5);
        foreach ((int first, int count) in (ReadOnlySpan<(int, int)>)[(0, 128), (32, 32), (96, 64), (128, 160), (codec.RowsPerBlock == 1 ? 77 : 64, 96), (1 << 20, 128)])
        {
            float[] rows = Keys(dimension, neighbors ? s_neighbors : s_halves, 20, first, count), decoded = new float[rows.Length];
            byte[] blocks = new byte[count / codec.RowsPerBlock * codec.BytesPerBlock];
            codec.Encode(rows, blocks, first);
            codec.Decode(blocks, decoded, first);
            float[] weights = [.. TestRows.Gaussian(5, count, seed: 4).Select(MathF.Abs)];
            foreach (float[][] found in Widths.AtEach(() => Attend(codec, prepared, queries, blocks, weights, first)))
            {
                for (int q = 0; q < 5; q++)
                {
                    ReadOnlySpan<float> query = queries.AsSpan(q * dimension, dimension);
                    double[] sum = new double[dimension];
                    for (int r = 0; r < count; r++)
                    {
                        ReadOnlySpan<float> row = decoded.AsSpan(r * dimension, dimension);
                        double tolerance = Tolerances.Attention * Measure.Norm(query) * Math.Max(1, Measure.Norm(row));
                        Assert.True(Math.Abs(Measure.Dot(query, row) - found[0][(q * count) + r]) <= tolerance, $"row {first + r}, query {q}: {found[0][(q * count) + r]}, expected {Measure.Dot(query, row)}");
                        for (int c = 0; c < dimension; c++)
                            sum[c] += (double)weights[(q * count) + r] * row[c];
                    }

                    double size = Math.Sqrt(sum.Sum(x => x * x)), error = 0;
                    for (int c = 0; c < dimension; c++)
                        error += Math.Pow(sum[c] - found[1][(q * dimension) + c], 2);
                    Assert.True(Math.Sqrt(error) <= 4 * Tolerances.Attention * size, $"sums of rows from {first} on: off by {Math.Sqrt(error)} of {size}");
                }
            }
        }
    }

    // Keys of energies e_i and queries of energies f_i: with equal units a score loses mean(e) mean(f), with the best ones mean(sqrt(e f))^2 of it.
    [Fact]
    public void UnitsMoveTheErrorToWhereQueriesDoNotLook()
    {
        const int dimension = 64;
        double[] ofKeys = [.. Enumerable.Range(0, dimension).Select(i => Math.Pow(2, 3 * Math.Sin(i % 32)))], ofQueries = [.. Enumerable.Range(0, dimension).Select(i => Math.Pow(2, 3 * Math.Cos(5 * (i % 32))))];
        float[] keys = Scaled(TestRows.Gaussian(2048, dimension, seed: 5), ofKeys), queries = Scaled(TestRows.Gaussian(256, dimension, seed: 6), ofQueries);
        double[] energies = new double[dimension];
        for (int i = 0; i < queries.Length; i++)
            energies[i % dimension] += (double)queries[i] * queries[i];
        double plain = ScoreError("turboquant:bits=4", CalibrationContext.Unknown), balanced = ScoreError("turboquant:bits=4,frame=balanced", new() { QueryEnergies = energies });
        double gain = Math.Pow(ofKeys.Zip(ofQueries, (k, q) => Math.Sqrt(k * q)).Average(), 2) / (ofKeys.Average() * ofQueries.Average());
        Assert.True(gain < 0.5, "The case has something to gain.");
        Assert.InRange(balanced / plain, 0.9 * gain, 1.1 * gain);

        float[] Scaled(float[] rows, double[] by) => [.. rows.Select((x, i) => (float)(x * Math.Sqrt(by[i % dimension])))];

        double ScoreError(string spec, CalibrationContext context)
        {
            Codec codec = CodecSpec.Parse(spec).CreateCodec(dimension, CodecRole.Keys).Calibrate(keys, context);
            float[] decoded = CodecCases.RoundTrip(codec, keys);
            double sum = 0;
            for (int q = 0; q < 256; q += 8)
            {
                for (int r = 0; r < 2048; r++)
                {
                    double error = 0;
                    for (int c = 0; c < dimension; c++)
                        error += (double)queries[(q * dimension) + c] * (decoded[(r * dimension) + c] - keys[(r * dimension) + c]);
                    sum += error * error;
                }
            }

            return sum;
        }
    }

    [Fact]
    public void WhereNothingTurnsTheSharedVectorIsTheMean()
    {
        float[] rows = [.. TestRows.Gaussian(Rows, 64, seed: 8).Select((x, i) => x + (i % 64))];
        Codec frame = CodecSpec.Parse("turboquant:bits=3,frame=constant").CreateCodec(64, CodecRole.Keys).Calibrate(rows);
        Codec mean = CodecSpec.Parse("turboquant:bits=3,mean=head").CreateCodec(64, CodecRole.Keys).Calibrate(rows);
        Assert.Equal(Measure.Nmse(rows, CodecCases.RoundTrip(mean, rows)), Measure.Nmse(rows, CodecCases.RoundTrip(frame, rows)), 1e-6);
    }

    [Fact]
    public void AnySplitGivesTheSameBytesAtEveryWidth()
    {
        foreach (string spec in (string[])["q8:frame=balanced", "turboquant:bits=4,frame=balanced", "turboquant:bits=2,code=trellis,mean=32,frame=balanced"])
        {
            float[] rows = Keys(64, s_halves, 20);
            byte[][] all = Widths.AtEach(() => Bytes(Rows));
            Assert.All(all, bytes => Assert.Equal(all[0], bytes));
            Assert.Equal(all[0], Bytes(32));
            Assert.Equal(all[0], Bytes(64 + 32));

            byte[] Bytes(int part)
            {
                Codec codec = CodecSpec.Parse(spec).CreateCodec(64, CodecRole.KeyTiles).Calibrate(rows, new() { Rotary = s_halves });
                byte[] blocks = new byte[Rows / codec.RowsPerBlock * codec.BytesPerBlock];
                for (int first = 0, count; first < Rows; first += count)
                {
                    count = Math.Min(part, Rows - first);
                    codec.Encode(rows.AsSpan(first * 64, count * 64), blocks.AsSpan(first / codec.RowsPerBlock * codec.BytesPerBlock, count / codec.RowsPerBlock * codec.BytesPerBlock), first);
                }

                return [.. codec.State, .. blocks];
            }
        }
    }

    [Fact]
    public void StateMakesTheSameCodecAndNothingElseIsAFrame()
    {
        CodecSpec spec = CodecSpec.Parse("turboquant:bits=4,frame=balanced");
        Codec learnt = Learnt(spec.ToString(), 64, s_halves, 20), plain = spec.CreateCodec(64, CodecRole.KeyTiles);
        Codec restored = plain.WithState(learnt.State);
        float[] rows = Keys(64, s_halves, 20);
        Assert.Equal(CodecCases.Encode(learnt, rows), CodecCases.Encode(restored, rows));
        Assert.Throws<ArgumentException>(() => plain.WithState(new byte[learnt.StateBytes])); // units of 0
        byte[] state = learnt.State.ToArray();
        foreach ((int at, byte[] lie) in ((int, byte[])[])
        [
            (0, [33, 0, 0, 0]), (0, [0xFF, 0xFF, 0xFF, 0xFF]), (4, [2]), (8, BitConverter.GetBytes(-1.0)), (8, BitConverter.GetBytes(double.NaN)), (8, BitConverter.GetBytes(7.0)),
            (8 + 256, BitConverter.GetBytes(float.NaN)), (8 + 256, BitConverter.GetBytes(9000f)), (8 + 256 + 256, BitConverter.GetBytes((Half)0.5f)), (8 + 256 + 256, BitConverter.GetBytes(Half.NaN)),
        ])
        {
            byte[] bad = [.. state];
            lie.CopyTo(bad, at);
            Assert.Throws<ArgumentException>(() => plain.WithState(bad));
        }
    }

    [Fact]
    public void RotaryEmbeddingsAreCheckedAndTurnAsModelsDo()
    {
        double[] speeds = new RotaryEmbedding { Base = 500_000, Divisor = 2, Factors = [.. Enumerable.Repeat(8f, 32)] }.Speeds(64);
        for (int i = 0; i < 32; i++)
            Assert.Equal(Math.Pow(500_000, -2.0 * i / 64) / 2 / 8, speeds[i], 1e-15);
        Assert.Equal(16, new RotaryEmbedding { Dimension = 32 }.Speeds(65).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryEmbedding { Base = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryEmbedding { Divisor = double.NaN });
        Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryEmbedding { Dimension = 3 });
        Assert.Throws<ArgumentException>(() => new RotaryEmbedding { Factors = [1, 0] });
        Assert.Throws<ArgumentException>(() => new RotaryEmbedding { Factors = [1, 1] }.Speeds(64));
        Assert.Throws<ArgumentException>(() => new RotaryEmbedding { Dimension = 66 }.Speeds(64));
        Assert.Equal(new RotaryEmbedding { Factors = [1, 2] }, new RotaryEmbedding { Factors = [1, 2] });
        Assert.NotEqual(new RotaryEmbedding { Factors = [1, 2] }, new RotaryEmbedding { Factors = [1, 3] });
    }

    [Fact]
    public void MeansOfAHeadDoNotGoWithAFrame() =>
        Assert.Throws<ArgumentException>(() => CodecSpec.Parse("turboquant:mean=head,frame=constant").CreateCodec(64, CodecRole.Keys));

    private static float[][] Attend(Codec codec, PreparedQueries prepared, float[] queries, byte[] blocks, float[] weights, int first)
    {
        float[] scores = new float[weights.Length], sums = new float[queries.Length];
        codec.Prepare(queries, prepared);
        codec.Score(prepared, blocks, scores, firstRow: first);
        codec.Accumulate(weights, blocks, sums, firstRow: first);
        codec.Finish(sums, sums);
        return [scores, sums];
    }

    private static Codec Learnt(string spec, int dimension, RotaryEmbedding rotary, double length) =>
        CodecSpec.Parse(spec).CreateCodec(dimension, CodecRole.KeyTiles).Calibrate(Keys(dimension, rotary, length), new() { Rotary = rotary });

    private static double Error(string spec, float[] keys, float[] alone, int dimension, CalibrationContext context)
    {
        Codec codec = CodecSpec.Parse(spec).CreateCodec(dimension, CodecRole.KeyTiles).Calibrate(keys, context);
        return Measure.Nmse(keys, CodecCases.RoundTrip(codec, keys)) * Measure.SquaredNorm(keys) / Measure.SquaredNorm(alone);
    }

    // Gaussian rows and a vector of so many times their norm, all turned by their positions.
    private static float[] Keys(int dimension, RotaryEmbedding rotary, double length, int first = 0, int count = Rows)
    {
        float[] shared = TestRows.Gaussian(1, dimension, seed: 9), rows = TestRows.Gaussian(count, dimension, seed: 10 + first);
        double[] speeds = rotary.Speeds(dimension);
        for (int r = 0; r < count; r++)
        {
            for (int i = 0; i < dimension; i++)
                rows[(r * dimension) + i] += (float)(length * shared[i]);
            for (int i = 0; i < speeds.Length; i++)
            {
                (int x, int y) = rotary.Pairs == RotaryPairs.Halves ? (i, i + speeds.Length) : (2 * i, (2 * i) + 1);
                (double sine, double cosine) = Math.SinCos((first + r) * speeds[i]);
                double a = rows[(r * dimension) + x], b = rows[(r * dimension) + y];
                (rows[(r * dimension) + x], rows[(r * dimension) + y]) = ((float)((a * cosine) - (b * sine)), (float)((a * sine) + (b * cosine)));
            }
        }

        return rows;
    }
}
