namespace Kvant.Tests.Reference;

/// <summary>
/// KIVI's asymmetric quantizer of one group: zero = minimum, scale = (maximum - minimum) / (2^b - 1), both stored in fp16,
/// code = round((x - zero) / scale). Keys: a group is one channel of 32 tokens; values: 32 channels of one token.
/// </summary>
internal static class KiviReference
{
    /// <summary>Decodes what the group would store; with the largest error that a code can make.</summary>
    public static (double[] Decoded, double HalfStep) RoundTrip(IReadOnlyList<double> group, int bits)
    {
        double exactScale = (group.Max() - group.Min()) / ((1 << bits) - 1);
        double zero = ReferenceMath.RoundToHalf(group.Min()), scale = ReferenceMath.RoundToHalf(exactScale);
        double[] decoded = [.. group.Select(x => zero + (scale * (scale == 0 ? 0 : Math.Clamp(Math.Round((x - zero) / scale), 0, (1 << bits) - 1))))];
        return (decoded, exactScale / 2);
    }

    /// <summary>All rows of one block; <paramref name="perChannel"/> for keys.</summary>
    public static (double[] Decoded, double[] HalfStep) RoundTripRows(float[] rows, int dimension, int bits, int group, bool perChannel)
    {
        var decoded = new double[rows.Length];
        var halfStep = new double[rows.Length];
        int outer = perChannel ? dimension : rows.Length / dimension, groups = (perChannel ? rows.Length / dimension : dimension) / group;
        for (int o = 0; o < outer; o++)
        {
            for (int g = 0; g < groups; g++)
            {
                int[] indices = [.. Enumerable.Range(g * group, group).Select(i => perChannel ? (i * dimension) + o : (o * dimension) + i)];
                (double[] part, double half) = RoundTrip([.. indices.Select(i => (double)rows[i])], bits);
                for (int i = 0; i < group; i++)
                    (decoded[indices[i]], halfStep[indices[i]]) = (part[i], half);
            }
        }

        return (decoded, halfStep);
    }
}
