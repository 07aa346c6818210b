namespace Kvant.Tests.Reference;

/// <summary>
/// Seed 001's blocks of 32: rotate each block, divide by its norm over sqrt(32) (l2) or so that its largest number meets the
/// largest level (max), take the nearest level; every block on the same codebook, that of the 32-dimensional sphere.
/// </summary>
internal static class Polar32Reference
{
    public const int Block = 32;

    /// <summary>Decodes what a rotated block would store; also the distance of each number to its nearest threshold, in units of the scale.</summary>
    public static (double[] Decoded, double Scale) RoundTrip(double[] rotated, double[] levels, string norm)
    {
        double scale = norm == "max" ? rotated.Max(v => Math.Abs(v)) / levels[^1] : ReferenceMath.Norm(rotated) / Math.Sqrt(Block);
        if (scale == 0)
            return (new double[Block], 0);
        double stored = ReferenceMath.RoundToHalf(scale);
        return ([.. rotated.Select(v => stored * levels[ReferenceMath.Nearest(levels, v / scale)])], scale);
    }
}
