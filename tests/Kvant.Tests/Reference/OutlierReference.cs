namespace Kvant.Tests.Reference;

/// <summary>
/// The paper's mixed bits, done right: the channels of largest energy over the first rows are coded on their own with one bit
/// more; both parts have their own rotation, scale and the codebook of their own dimension.
/// </summary>
internal static class OutlierReference
{
    /// <summary>The loudest channels, ascending.</summary>
    public static int[] Loudest(ReadOnlySpan<float> rows, int dimension, int channels)
    {
        var energy = new double[dimension];
        for (int i = 0; i < rows.Length; i++)
            energy[i % dimension] += (double)rows[i] * rows[i];
        return [.. Enumerable.Range(0, dimension).OrderByDescending(c => energy[c]).Take(channels).Order()];
    }
}
