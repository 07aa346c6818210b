namespace Kvant.Tests.Reference;

/// <summary>Seed 004's 8-bit rows, done right: scale = max|x| / 127 in the precision that is stored, code = round(x / scale); zeros stay zeros.</summary>
internal static class Q8Reference
{
    /// <summary>What comes back if the scale is kept exactly, and the largest error of a code.</summary>
    public static (double[] Decoded, double HalfStep) RoundTrip(ReadOnlySpan<float> row)
    {
        double[] x = ReferenceMath.ToDouble(row);
        double scale = x.Max(v => Math.Abs(v)) / 127;
        return ([.. x.Select(v => scale == 0 ? 0 : scale * Math.Round(v / scale))], scale / 2);
    }
}
