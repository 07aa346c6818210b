using Kvant.Codebooks;
using Kvant.Codecs;
using Kvant.Rotations;

namespace Kvant.Tests.Laws;

/// <summary>Why there are three rounds: the numbers of docs/decisions/0003, one-hot rows at 3 bits over 200 seeds.</summary>
public sealed class RoundsOfHadamardTests
{
    [Theory]
    [InlineData(64, 2, 0.0413, 0.0950)]
    [InlineData(64, 3, 0.0339, 0.0426)]
    [InlineData(80, 2, 0.0366, 0.0591)]
    [InlineData(80, 3, 0.0341, 0.0396)]
    [InlineData(96, 2, 0.0380, 0.0679)]
    [InlineData(96, 3, 0.0351, 0.0419)]
    [InlineData(112, 2, 0.0358, 0.0565)]
    [InlineData(112, 3, 0.0341, 0.0374)]
    [InlineData(128, 2, 0.0357, 0.0711)]
    [InlineData(128, 3, 0.0341, 0.0387)]
    [InlineData(256, 2, 0.0353, 0.0549)]
    [InlineData(256, 3, 0.0343, 0.0361)]
    public void ErrorOfOneHotRowsOverSeedsIsAsTheDecisionSays(int dimension, int rounds, double mean, double worst)
    {
        double[] errors = [.. Enumerable.Range(0, 200).Select(seed => Error(new HadamardRotation(dimension, (ulong)seed, rounds)))];
        Assert.Equal(mean, errors.Average(), 0.00005);
        Assert.Equal(worst, errors.Max(), 0.00005);
    }

    private static double Error(HadamardRotation rotation)
    {
        int dimension = rotation.Dimension;
        float[] rows = TestRows.OneHot(dimension), rotated = new float[rows.Length], decoded = new float[rows.Length];
        rotation.Forward(rows, rotated);
        var coder = new SphereRowCoder(dimension, new SphereQuantizer(Codebook.LloydMax(dimension, 3), ScaleRule.Norm));
        byte[] bytes = new byte[dimension * coder.Bytes];
        coder.Encode(rotated, bytes);
        for (int r = 0; r < dimension; r++)
            coder.Decode(bytes.AsSpan(r * coder.Bytes, coder.Bytes), decoded.AsSpan(r * dimension, dimension));
        return Measure.Nmse(rotated, decoded);
    }
}
