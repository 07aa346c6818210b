using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>The outlier split: loud channels get one bit more, each part its own rotation, scale and codebook.</summary>
public sealed class OutlierTests
{
    private const int Dimension = 128;
    private const int Channels = 32;
    private static readonly int[] s_loud = [.. Enumerable.Range(0, Channels).Select(i => (i * 4) + 1)];

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void PartsHaveTheErrorsOfTheirOwnDimensions(int bits)
    {
        float[] rows = Rows(4096, seed: 90);
        Codec codec = CodecSpec.Parse($"outlier:bits={bits},channels={Channels},scale=norm").CreateCodec(Dimension, CodecRole.Keys).Calibrate(rows);
        Assert.Equal(s_loud, OutlierReference.Loudest(rows.AsSpan(0, codec.CalibrationRows * Dimension), Dimension, Channels));
        float[] decoded = CodecCases.RoundTrip(codec, rows);
        Measure.AssertInBand(PartError(rows, decoded, loud: true), LloydMaxReference.Of(Channels, bits + 1).Nmse, Tolerances.Theory, $"loud part, {bits + 1} bits");
        Measure.AssertInBand(PartError(rows, decoded, loud: false), LloydMaxReference.Of(Dimension - Channels, bits).Nmse, Tolerances.Theory, $"rest, {bits} bits");
    }

    [Fact]
    public void ScaledByTheWrongDimensionTheLoudPartIsFourTimesWorse()
    {
        // Published code scales the 32-dimensional part by 1/sqrt(128): the test above must see that.
        double[] levels = LloydMaxReference.Of(Channels, 3).Levels;
        double wrong = LloydMaxReference.NmseOf(Channels, [.. levels.Select(l => l * Math.Sqrt((double)Channels / Dimension))]);
        Assert.True(wrong > 4 * LloydMaxReference.Of(Channels, 3).Nmse);
    }

    [Fact]
    public void TrueBitsAreReported()
    {
        // 32 channels at 3 bits, 96 at 2: 2.25; two fp16 scales make 2.5.
        Codec codec = CodecSpec.Parse($"outlier:bits=2,channels={Channels}").CreateCodec(Dimension, CodecRole.Keys);
        Assert.Equal(2.5, codec.BitsPerValue, 1e-12);
        Assert.Equal(40, codec.BytesPerBlock / codec.RowsPerBlock);
        Assert.Equal(3.5, CodecSpec.Parse($"outlier:bits=3,channels={Channels}").CreateCodec(Dimension, CodecRole.Keys).BitsPerValue, 1e-12);
        Assert.True(codec.StateBytes > 0);
    }

    [Fact]
    public void ChannelsAreChosenFromTheFirst128RowsAlone()
    {
        float[] rows = Rows(256, seed: 91);
        Codec codec = CodecSpec.Parse("outlier:bits=2").CreateCodec(Dimension, CodecRole.Keys);
        Assert.Equal(128, codec.CalibrationRows);
        byte[] state = codec.Calibrate(rows.AsSpan(0, 128 * Dimension)).State.ToArray();
        for (int i = 128 * Dimension; i < rows.Length; i++)
            rows[i] *= i % 2 == 0 ? 100 : 0;
        Assert.Equal(state, codec.Calibrate(rows).State.ToArray());
        Assert.ThrowsAny<ArgumentException>(() => codec.Calibrate(rows.AsSpan(0, 127 * Dimension)));
        Assert.Throws<InvalidOperationException>(() => codec.Encode(rows.AsSpan(0, codec.RowsPerBlock * Dimension), new byte[codec.BytesPerBlock]));
    }

    [Fact]
    public void LoudChannelsMakeTheSplitBetterThanOneScale()
    {
        float[] rows = Rows(1024, seed: 92);
        Codec split = CodecSpec.Parse("outlier:bits=2").CreateCodec(Dimension, CodecRole.Keys).Calibrate(rows);
        double error = Measure.Nmse(rows, CodecCases.RoundTrip(split, rows));
        double plain = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create("turboquant:bits=2", Dimension), rows));
        Assert.True(error < plain / 2, $"split {error:G4}, plain {plain:G4}");
    }

    [Fact]
    public void StateThatIsNotAChoiceOfChannelsIsRefused()
    {
        Codec codec = CodecSpec.Parse("outlier:bits=2").CreateCodec(Dimension, CodecRole.Keys);
        Assert.ThrowsAny<ArgumentException>(() => codec.WithState(new byte[codec.StateBytes + 1]));
        Assert.ThrowsAny<ArgumentException>(() => codec.WithState(new byte[codec.StateBytes]));
        var ones = new byte[codec.StateBytes];
        ones.AsSpan().Fill(0xFF);
        Assert.ThrowsAny<ArgumentException>(() => codec.WithState(ones));
    }

    // 32 channels are eight times as loud as the other 96.
    private static float[] Rows(int count, int seed)
    {
        float[] rows = TestRows.Gaussian(count, Dimension, seed);
        foreach (int channel in s_loud)
        {
            for (int r = 0; r < count; r++)
                rows[(r * Dimension) + channel] *= 8;
        }

        return rows;
    }

    private static double PartError(float[] rows, float[] decoded, bool loud)
    {
        double error = 0, energy = 0;
        for (int r = 0; r < rows.Length / Dimension; r++)
        {
            // Per row, because theory speaks of unit vectors: every row counts alike.
            double rowError = 0, rowEnergy = 0;
            for (int c = 0; c < Dimension; c++)
            {
                int i = (r * Dimension) + c;
                if (s_loud.Contains(c) != loud)
                    continue;
                rowError += Math.Pow(rows[i] - decoded[i], 2);
                rowEnergy += (double)rows[i] * rows[i];
            }

            error += rowError / rowEnergy;
            energy++;
        }

        return error / energy;
    }
}
