using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Cli.Output;

/// <summary>What tables say about the bytes of a cache file: those of the living tokens, without queries and header.</summary>
internal static class CacheColumns
{
    public static Column<CacheFile> Bytes(string title) => Column<CacheFile>.OfInteger("bytes", title, Stored);

    public static Column<CacheFile> Fp16Bytes(string title) => Column<CacheFile>.OfInteger("fp16Bytes", title, f => f.Statistics.Fp16Bytes);

    public static Column<CacheFile> BitsPerValue(string title) => Column<CacheFile>.OfReal("bitsPerValue", title, "0.000", f => Ratio(16.0 * Stored(f), f));

    public static Column<CacheFile> Ratio(string title) => Column<CacheFile>.OfReal("ratio", title, "0.00", f => Stored(f) == 0 ? 0 : (double)f.Statistics.Fp16Bytes / Stored(f));

    /// <summary>Bytes that are in a file: what a cache in memory has beside them, room for tokens to come and evicted ones, is not.</summary>
    public static long Stored(CacheStatistics s) => s.TotalBytes - s.FreeBytes - s.DeadBytes;

    private static long Stored(CacheFile file) => Stored(file.Statistics);

    private static double Ratio(double bytes, CacheFile file) => file.Statistics.Fp16Bytes == 0 ? 0 : bytes / file.Statistics.Fp16Bytes;
}
