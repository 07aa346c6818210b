using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>Errors are what theory says: not more, not less, and never more with more bits.</summary>
public sealed class ErrorLaws
{
    [Theory]
    [MemberData(nameof(CodecCases.MethodsWithBits), MemberType = typeof(CodecCases))]
    public void MoreBitsNeverMakeMoreError(string method)
    {
        string[] bits = [.. CodecCases.ValuesOf(CodecCatalog.Find(method)!.Settings.Single(s => s.Name == "bits"))];
        foreach (CodecRole role in CodecCases.Roles)
        {
            // Gaussian rows alone: on single rows a coarse level may lie better by luck.
            float[] rows = TestRows.Gaussian(256, 128, seed: 40);
            double last = double.MaxValue;
            foreach (string b in bits.OrderBy(int.Parse))
            {
                double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create($"{method}:bits={b}", 128, role), rows));
                Assert.True(error < last, $"{method}, {role}: {b} bits lose {error:G5}, fewer bits lost {last:G5}.");
                last = error;
            }
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void EveryCodecBeatsADecoderOfZeros(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            float[] rows = TestRows.Gaussian(128, codec.Dimension, seed: 41);
            float[] decoded = CodecCases.RoundTrip(codec, rows);

            // The unbiased rules trade error for bias: at 1 bit .567 and (the sketch alone) 1.571; theirs is the correlation.
            double cosine = Measure.Dot(rows, decoded) / (Measure.Norm(rows) * Measure.Norm(decoded));
            Assert.True(cosine > 0.55, $"{name}: the decoded rows correlate by {cosine:G3} with the rows.");
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void LengthOfTheRowChangesNoRelativeError(string spec)
    {
        // Fixed grids have a fixed range; every method with a scale must carry rows of any usual length.
        foreach ((Codec codec, string name) in CodecCases.All(spec).Where(c => c.Codec.Dimension == 128))
        {
            float[] rows = TestRows.UnitVectors(4096, 128)[..(128 * 128)];
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(codec.Calibrate(rows), rows));

            // The worst is unbiased at 1 bit with .567. A sketch alone or of few signs loses as much as zeros would; its law is the correlation above.
            Assert.True(error < 0.6 || spec is "turboquant-ip:bits=1" or "turboquant-ip:length=7", $"{name}: rows of length 1 lose {error:G3}.");
            foreach (double factor in (double[])[1e-2, 1e2, 1e4])
            {
                float[] scaled = TestRows.Scaled(rows, factor);
                double changed = Measure.Nmse(scaled, CodecCases.RoundTrip(codec.Calibrate(scaled), scaled));

                // 1e-5: what fp16 scales and their roundings at most add to any codec.
                Assert.True(Math.Abs(changed - error) <= (2 * Tolerances.Rescaled * error) + 1e-5, $"{name}: rows times {factor:G1} lose {changed:G5} instead of {error:G5}.");
            }
        }
    }
}
