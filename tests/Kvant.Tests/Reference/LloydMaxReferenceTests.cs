using MathNet.Numerics;

namespace Kvant.Tests.Reference;

public sealed class LloydMaxReferenceTests
{
    [Theory]
    [InlineData(32)]
    [InlineData(80)]
    [InlineData(128)]
    [InlineData(256)]
    public void SphereDensityIsTheBetaOfMethods(int dimension)
    {
        var density = new SphereDensity(dimension);
        double a = (dimension - 1) / 2.0;
        foreach (double t in (double[])[0.1, 0.5, 1, 2, 3])
        {
            double x = t / Math.Sqrt(dimension);
            double expected = SpecialFunctions.BetaRegularized(a, a, (x + 1) / 2) - 0.5;
            Assert.Equal(expected, density.Mass(0, t), 1e-9);
        }

        Assert.Equal(1, density.Mass(0, density.End / 2) + density.Mass(density.End / 2, density.End) + 0.5, 1e-9);
    }

    [Theory]
    [InlineData(64, 0.358387, 0.114526, 0.033391, 0.009132)]
    [InlineData(96, 0.360056, 0.115508, 0.033773, 0.009253)]
    [InlineData(128, 0.360889, 0.116000, 0.033966, 0.009315)]
    [InlineData(256, 0.362136, 0.116740, 0.034256, 0.009408)]
    [InlineData(0, 0.363380, 0.117482, 0.034548, 0.009501)]
    public void OptimumIsTheOneOfMethods(int dimension, params double[] nmse)
    {
        for (int bits = 1; bits <= 4; bits++)
            Assert.Equal(nmse[bits - 1], LloydMaxReference.Of(dimension, bits).Nmse, 6e-7);
    }

    [Fact]
    public void LevelsAt128AreTheOnesOfMethods()
    {
        double[][] halves =
        [
            [.799444],
            [.452453, 1.505193],
            [.244425, .753330, 1.336599, 2.131471],
            [.127873, .386381, .653619, .937097, 1.247770, 1.604343, 2.045925, 2.688859],
        ];
        for (int bits = 1; bits <= 4; bits++)
        {
            double[] levels = LloydMaxReference.Of(128, bits).Levels;
            for (int i = 0; i < halves[bits - 1].Length; i++)
                Assert.Equal(halves[bits - 1][i], levels[(levels.Length / 2) + i], Tolerances.Codebook);
        }

        double[] more = [.00245146, .00062996];
        Assert.Equal(more[0], LloydMaxReference.Of(128, 5).Nmse, 1e-8);
    }

    [Fact]
    public void LevelsEqualThoseOfAnotherSolver()
    {
        foreach (TestFiles.Codebook book in TestFiles.Codebooks())
        {
            // Beyond 5 bits plain iteration takes minutes: there the levels are checked for being the fixed point.
            string name = $"dimension {book.Dimension}, {book.Bits} bits";
            Assert.True(LloydMaxReference.Residual(book.Dimension, book.Levels) < 1e-8, name);
            Assert.Equal(book.Nmse, LloydMaxReference.NmseOf(book.Dimension, book.Levels), 1e-9);
            if (book.Bits > 5)
                continue;
            double[] levels = LloydMaxReference.Of(book.Dimension, book.Bits).Levels;
            for (int i = 0; i < levels.Length; i++)
                Assert.True(Math.Abs(levels[i] - book.Levels[i]) < Tolerances.Codebook, $"{name}: level {i} is {levels[i]}; the file has {book.Levels[i]}.");
        }
    }
}
