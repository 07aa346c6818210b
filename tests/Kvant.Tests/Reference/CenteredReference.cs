namespace Kvant.Tests.Reference;

/// <summary>
/// Rows less their mean, in double precision: the mean in the basis of the codes, rounded to fp16, then each residual by
/// <see cref="TurboQuantReference"/> with one scale. A decoded row is the decoded mean plus the decoded residual.
/// </summary>
/// <param name="rotation">Orthogonal matrix.</param>
/// <param name="levels">Codebook, times the square root of the dimension.</param>
internal sealed class CenteredReference(double[,] rotation, double[] levels)
{
    /// <summary>The rows of one block, decoded; as they are and the mean that was taken.</summary>
    public (double[][] Rows, double[] Mean) RoundTrip(float[] rows)
    {
        int dimension = rotation.GetLength(0), count = rows.Length / dimension;
        double[] mean = new double[dimension];
        for (int i = 0; i < rows.Length; i++)
            mean[i % dimension] += (double)rows[i] / count;
        double[] stored = [.. ReferenceMath.Multiply(rotation, mean).Select(ReferenceMath.RoundToHalf)];
        double[] taken = ReferenceMath.MultiplyTransposed(rotation, stored);
        var codec = new TurboQuantReference(rotation, levels, "norm", dimension);
        double[][] decoded = [.. rows.Chunk(dimension).Select(row =>
        {
            float[] residual = [.. row.Select((x, c) => (float)(x - taken[c]))];
            return codec.Decode(codec.Encode(residual)).Select((x, c) => x + taken[c]).ToArray();
        })];
        return (decoded, taken);
    }
}
