using Kvant.Codebooks;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>The library's codebooks against the reference's iteration and against another solver's file.</summary>
public sealed class CodebookTests
{
    [Theory]
    [InlineData(32)]
    [InlineData(48)]
    [InlineData(64)]
    [InlineData(80)]
    [InlineData(96)]
    [InlineData(112)]
    [InlineData(128)]
    [InlineData(192)]
    [InlineData(256)]
    [InlineData(100)]
    [InlineData(31)]
    public void LevelsAreTheOptimumOfTheExactDensity(int dimension)
    {
        for (int bits = 1; bits <= 8; bits++)
        {
            Codebook codebook = Codebook.LloydMax(dimension, bits);
            double[] levels = ReferenceMath.ToDouble(codebook.Centroids);
            string name = $"dimension {dimension}, {bits} bits";
            Assert.Equal(1 << bits, levels.Length);
            Assert.True(LloydMaxReference.Residual(dimension, levels) < Tolerances.Codebook, name);
            Assert.Equal(LloydMaxReference.NmseOf(dimension, levels), codebook.NormalizedError, 1e-9);
            if (bits > 4)
                continue;
            for (int i = 0; i < levels.Length; i++)
                Assert.Equal(LloydMaxReference.Of(dimension, bits).Levels[i], levels[i], Tolerances.Codebook);
        }
    }

    [Fact]
    public void LevelsAreThoseOfTheSharedFile()
    {
        foreach (TestFiles.Codebook book in TestFiles.Codebooks().Where(b => b.Dimension > 0 && b.Bits <= 8))
        {
            ReadOnlySpan<float> levels = Codebook.LloydMax(book.Dimension, book.Bits).Centroids;
            for (int i = 0; i < levels.Length; i++)
                Assert.Equal(book.Levels[i], levels[i], Tolerances.Codebook);
        }
    }

    [Fact]
    public void UniformGridIsEvenSymmetricAndNoBetterThanLloydMax()
    {
        for (int bits = 1; bits <= 8; bits++)
        {
            double[] levels = ReferenceMath.ToDouble(Codebook.Uniform(128, bits).Centroids);
            double step = levels[^1] * 2 / (levels.Length - 1);
            for (int i = 0; i < levels.Length; i++)
            {
                Assert.Equal((i - ((levels.Length - 1) / 2.0)) * step, levels[i], Tolerances.Codebook);
                Assert.Equal(-levels[^(i + 1)], levels[i]);
            }

            double error = LloydMaxReference.NmseOf(128, levels), optimum = bits == 1 ? error : Codebook.LloydMax(128, bits).NormalizedError;
            Assert.True(error >= optimum * 0.999999, $"{bits} bits");
            foreach (double factor in (double[])[0.99, 1.01])
                Assert.True(LloydMaxReference.NmseOf(128, [.. levels.Select(l => l * factor)]) > error, $"{bits} bits: a step times {factor} is better.");
        }
    }

    [Fact]
    public void ConstantsAreWhatTheSolverFindsBitForBit()
    {
        foreach (int dimension in (int[])[32, 48, 64, 80, 96, 112, 128, 192, 256])
        {
            for (int bits = 1; bits <= 8; bits++)
            {
                Assert.False(LloydMaxConstants.Find(dimension, bits).IsEmpty);
                Assert.Equal(Codebook.Solve(dimension, bits), LloydMaxConstants.Find(dimension, bits).ToArray());
            }
        }

        Assert.True(LloydMaxConstants.Find(72, 4).IsEmpty);
    }
}
