using System.Runtime.InteropServices;
using Kvant.Codecs;
using Kvant.Rotations;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Laws;

/// <summary>Every rotation is orthogonal, its inverse is its transpose, and its signs are random.</summary>
public sealed class RotationLaws
{
    public static TheoryData<string, int> RotationsAndDimensions => [.. Cases];

    /// <summary>The rotations that a seed chooses, at the dimensions whose matrices are quickly made.</summary>
    public static TheoryData<string, int> RandomRotationsAndDimensions => [.. Cases.Where(c => c.Rotation != "none" && c.Dimension <= 128)];

    private static IEnumerable<(string Rotation, int Dimension)> Cases =>
        from rotation in CodecCatalog.Find("turboquant")!.Settings.Single(s => s.Name == "rotation").Choices
        from dimension in (int[])[4, 20, .. CodecCases.Dimensions]
        where rotation != "block32" || dimension % 32 == 0
        select (rotation, dimension);

    [Theory]
    [MemberData(nameof(RotationsAndDimensions))]
    public void RotationIsOrthogonalAndInverseIsItsTranspose(string name, int dimension)
    {
        Rotation rotation = Of(name, dimension, seed: 1);
        float[] rows = TestRows.Gaussian(8, dimension, seed: 100);
        double[,] matrix = ReferenceMath.MatrixOf(rotation);
        float[] turned = new float[dimension], back = new float[dimension];
        for (int c = 0; c < dimension; c++)
        {
            double[] column = [.. Enumerable.Range(0, dimension).Select(r => matrix[r, c])];
            Assert.Equal(1, ReferenceMath.Norm(column), Tolerances.Orthogonality);
            double[] products = ReferenceMath.MultiplyTransposed(matrix, column);
            for (int other = 0; other < dimension; other++)
                Assert.Equal(other == c ? 1 : 0, products[other], 2 * Tolerances.Orthogonality);
        }

        for (int r = 0; r < 8; r++)
        {
            ReadOnlySpan<float> row = rows.AsSpan(r * dimension, dimension);
            rotation.Forward(row, turned);
            rotation.Inverse(turned, back);
            double norm = Measure.Norm(row);
            double[] expected = ReferenceMath.Multiply(matrix, ReferenceMath.ToDouble(row));
            for (int i = 0; i < dimension; i++)
            {
                Assert.Equal(row[i], back[i], 2 * Tolerances.Orthogonality * norm);
                Assert.Equal(expected[i], turned[i], 2 * Tolerances.Orthogonality * norm);
            }

            rotation.Inverse(turned, turned); // The same memory is allowed.
            Assert.Equal(MemoryMarshal.AsBytes<float>(back).ToArray(), MemoryMarshal.AsBytes<float>(turned).ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(RandomRotationsAndDimensions))]
    public void SeedChoosesTheRotation(string name, int dimension)
    {
        double[,] one = ReferenceMath.MatrixOf(Of(name, dimension, seed: 1)), again = ReferenceMath.MatrixOf(Of(name, dimension, seed: 1)), other = ReferenceMath.MatrixOf(Of(name, dimension, seed: 2));
        Assert.Equal(one.Cast<double>(), again.Cast<double>());
        Assert.NotEqual(one.Cast<double>(), other.Cast<double>());
    }

    private static Rotation Of(string name, int dimension, int seed) =>
        ((RotatedCodec)CodecSpec.Parse($"turboquant:bits=1,rotation={name},seed={seed}").CreateCodec(dimension)).Rotation;
}
