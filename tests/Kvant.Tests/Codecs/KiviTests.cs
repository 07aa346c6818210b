using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>KIVI: keys per channel over groups of tokens, values per token over groups of channels.</summary>
public sealed class KiviTests
{
    private const int Group = 32;

    [Theory]
    [InlineData(2, CodecRole.Keys, 64)]
    [InlineData(4, CodecRole.Keys, 128)]
    [InlineData(2, CodecRole.Values, 64)]
    [InlineData(4, CodecRole.Values, 128)]
    [InlineData(4, CodecRole.Keys, 80)]
    public void RowsAreThoseOfTheReference(int bits, CodecRole role, int dimension)
    {
        Codec codec = CodecCases.Create($"kivi:bits={bits}", dimension, role);
        float[] rows = TestRows.OfContent("one huge channel", 3 * Group, dimension, seed: 50);
        (double[] expected, double[] halfStep) = KiviReference.RoundTripRows(rows, dimension, bits, Group, perChannel: role == CodecRole.Keys);
        float[] decoded = CodecCases.RoundTrip(codec, rows);
        int differing = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            // Rounding zero and scale to fp16 shifts every level by up to 2^-11 of the range and of the offset.
            double slack = 2 * Tolerances.HalfPrecision * (Math.Abs(rows[i]) + (2 * halfStep[i] * ((1 << bits) - 1)));
            Assert.True(Math.Abs(rows[i] - decoded[i]) <= halfStep[i] + slack, $"number {i}: {rows[i]} became {decoded[i]}, half a step is {halfStep[i]}.");
            differing += Math.Abs(expected[i] - decoded[i]) > slack ? 1 : 0;
        }

        Assert.True(differing <= rows.Length / 200, $"{differing} of {rows.Length} codes differ from the reference; only ties may.");
    }

    [Theory]
    [InlineData(2, 3.0)]
    [InlineData(4, 5.0)]
    public void TrueCostCountsScaleAndZero(int bits, double bitsPerValue)
    {
        Assert.Equal(bitsPerValue, CodecCases.Create($"kivi:bits={bits}", 128, CodecRole.Keys).BitsPerValue, 1e-12);
        Assert.Equal(bitsPerValue, CodecCases.Create($"kivi:bits={bits}", 128, CodecRole.Values).BitsPerValue, 1e-12);
    }

    [Fact]
    public void KeysAreGroupedOverTokensAndValuesOverChannels()
    {
        // One loud channel ruins a group of channels but not a group of tokens.
        float[] rows = TestRows.OfContent("one huge channel", Group, 128, seed: 51);
        double Quiet(CodecRole role)
        {
            float[] decoded = CodecCases.RoundTrip(CodecCases.Create("kivi:bits=4", 128, role), rows);
            double error = 0;
            for (int i = 0; i < rows.Length; i++)
                error += i % 128 == 128 / 3 ? 0 : Math.Pow(rows[i] - decoded[i], 2) / rows.Length;
            return error;
        }

        Assert.True(Quiet(CodecRole.Keys) < 0.03, $"keys: {Quiet(CodecRole.Keys):G3}");
        Assert.True(Quiet(CodecRole.Values) > 0.2, $"values: {Quiet(CodecRole.Values):G3}");
    }

    [Fact]
    public void ErrorIsThatOfAUniformGridOverTheRange()
    {
        // Uniform numbers in a group of 32 span 31/33 of their interval; a uniform grid of 15 steps errs by step^2 / 12.
        var random = new Random(52);
        float[] rows = [.. Enumerable.Range(0, 1024 * 128).Select(_ => (float)(random.NextDouble() - 0.5))];
        double step = 31.0 / 33 / 15, energy = 1.0 / 12;
        foreach (CodecRole role in (CodecRole[])[CodecRole.Keys, CodecRole.Values])
        {
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create("kivi:bits=4", 128, role), rows));

            // The two ends of each group are met exactly: 30 of 32 numbers err, and ranges vary: hence 5 % and not 2.
            Measure.AssertInBand(error, step * step / 12 / energy * 30 / 32, 0.05, $"{role}");
        }
    }
}
