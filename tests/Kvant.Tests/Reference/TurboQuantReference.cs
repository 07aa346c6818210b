namespace Kvant.Tests.Reference;

/// <summary>
/// TurboQuant for the mean squared error, the paper's Algorithm 1 with a stored scale: rotate, divide by the scale, take the
/// nearest level per coordinate; back by the transpose. The scale is stored per coordinate (norm / sqrt(d)) in fp16.
/// </summary>
/// <param name="rotation">Orthogonal matrix.</param>
/// <param name="levels">Codebook of the sphere density of <paramref name="group"/> coordinates, times its square root.</param>
/// <param name="scaleRule">norm, corrected, leastsquares or unbiased.</param>
/// <param name="group">Coordinates that share a scale; the dimension for one scale per row.</param>
internal sealed class TurboQuantReference(double[,] rotation, double[] levels, string scaleRule, int group)
{
    /// <summary>One group of a row: what is stored, and the rotated numbers in units of the scale that chose the codes.</summary>
    public sealed record Group(int[] Codes, double Scale, double[] Normalized);

    public Group[] Encode(ReadOnlySpan<float> row)
    {
        double[] rotated = ReferenceMath.Multiply(rotation, ReferenceMath.ToDouble(row));
        return [.. rotated.Chunk(group).Select(EncodeGroup)];
    }

    public double[] Decode(Group[] groups) => ReferenceMath.MultiplyTransposed(rotation, DecodeInBasis(groups));

    public double[] DecodeInBasis(Group[] groups) =>
        [.. groups.SelectMany(g => g.Codes.Select(code => ReferenceMath.RoundToHalf(g.Scale) * levels[code]))];

    private Group EncodeGroup(double[] x)
    {
        double norm = ReferenceMath.Norm(x);
        if (norm == 0)
            return new Group([.. x.Select(_ => 0)], 0, x);
        double unit = norm / Math.Sqrt(x.Length);
        double[] normalized = [.. x.Select(v => v / unit)];
        int[] codes = [.. normalized.Select(v => ReferenceMath.Nearest(levels, v))];
        double[] c = [.. codes.Select(code => levels[code])];
        double scale = scaleRule switch
        {
            "norm" => unit,
            "corrected" => norm / ReferenceMath.Norm(c),
            "leastsquares" => ReferenceMath.Dot(x, c) / ReferenceMath.Dot(c, c),
            "unbiased" => norm * norm / ReferenceMath.Dot(x, c),
            _ => throw new ArgumentException($"There is no scale rule '{scaleRule}'."),
        };
        return new Group(codes, scale, normalized);
    }
}
