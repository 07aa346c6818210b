namespace Kvant.Cli;

/// <summary>Refuses what cannot fit before it is begun: a machine that runs out of memory ends other programs first.</summary>
internal static class MemoryNeed
{
    /// <summary>Refuses where the least that a command takes is more than the machine, or the container, has.</summary>
    /// <param name="what">What takes it, as in "16777216 rows of 4096 numbers".</param>
    /// <param name="sizes">Numbers whose product is the least number of bytes.</param>
    /// <exception cref="UsageException">It is too much.</exception>
    public static void Check(string what, params ReadOnlySpan<double> sizes)
    {
        double bytes = 1;
        foreach (double size in sizes)
            bytes *= size;
        long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (bytes > available)
            throw new UsageException(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{what} are too many: they take {bytes / (1L << 30):0.#} GiB at least, and {available / (double)(1L << 30):0.#} GiB are there"));
    }
}
