using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Caching;

/// <summary>A call that is refused leaves the cache as it was.</summary>
public sealed class CacheRefusalTests
{
    [Theory]
    [InlineData("turboquant:bits=4", float.NaN, "must be finite")]
    [InlineData("turboquant:bits=4", float.NegativeInfinity, "must be finite")]
    [InlineData("turboquant:bits=4", 65520f, "fp16")]
    [InlineData("fp32", float.PositiveInfinity, "must be finite")]
    [InlineData("kivi|fp32", 70000f, "up to 65504")]
    [InlineData("outlier", 5000f, "up to 4096")]
    public void NumbersThatCannotBeStoredAreRefusedByPlace(string pair, float number, string reason)
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options(pair), tokens: 150);
        byte[] before = cache.Freeze();
        (float[] keys, float[] values) = CacheSamples.Tokens(200, seed: 3);
        int at = (((120 * CacheSamples.Heads) + 1) * CacheSamples.KeyDimension) + 17;
        float kept = keys[at];
        keys[at] = number;
        string message = Assert.Throws<ArgumentException>(() => cache.Append(0, keys, values)).Message;
        Assert.Contains("Token 120 of the batch, head 1: number 17 is", message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.Equal(before, cache.Freeze());

        keys[at] = kept;
        cache.Append(0, keys, values);
        Assert.Equal(350, cache.Length);
    }

    [Fact]
    public void RowsWhoseScaleDoesNotFitAreRefusedBeforeTheyWait()
    {
        // All numbers fit fp16, but the row's unbiased scale, which is stored once its block leaves the window, would not.
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=1,scale=unbiased,rotation=none", window: 500), tokens: 10);
        byte[] before = cache.Freeze();
        (float[] keys, float[] values) = CacheSamples.Tokens(2, seed: 3);
        values.AsSpan(^CacheSamples.ValueDimension..).Clear();
        values[^5] = 65000;
        string message = Assert.Throws<ArgumentException>(() => cache.Append(0, keys, values)).Message;
        Assert.Contains("Token 1 of the batch, head 1: the row is too large", message, StringComparison.Ordinal);
        Assert.Equal(before, cache.Freeze());
        values[^5] = 4000; // tried, and fine
        cache.Append(0, keys, values);
        Assert.Equal(12, cache.Length);
    }

    [Fact]
    public void LargeRowsThatWereCutCanBeStoredAgain()
    {
        // Of the largest size that the door lets in, decoded and encoded again and again.
        using var cache = new KvCache(CacheSamples.Options("turboquant:bits=2", sinks: 0, window: 0));
        (float[] keys, float[] values) = CacheSamples.Tokens(40, seed: 6);
        Array.Fill(keys, 65504);
        Array.Fill(values, -65504);
        Assert.Throws<ArgumentException>(() => cache.Append(0, keys, values));
        Array.Fill(keys, 60000);
        Array.Fill(values, -60000);
        for (int round = 0; round < 5; round++)
        {
            cache.Append(0, keys, values);
            cache.Truncate(cache.Length - 40 + 9);
        }

        Assert.Equal(45, cache.Length);
    }

    [Fact]
    public void WrongLengthsAndIndicesAreRefused()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8"), tokens: 150);
        byte[] before = cache.Freeze();
        (float[] keys, float[] values) = CacheSamples.Tokens(2, seed: 3);
        Assert.Contains("must be a multiple of 128", Assert.Throws<ArgumentException>(() => cache.Append(0, keys.AsSpan(1), values)).Message, StringComparison.Ordinal);
        Assert.Contains("values of 2 tokens; with keys of 1 there must be 1", Assert.Throws<ArgumentException>(() => cache.Append(0, keys.AsSpan(128), values)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Append(1, keys, values));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(-1));
        Assert.Throws<ArgumentException>(() => cache.CopyPositions(0, new int[149]));
        Assert.Throws<ArgumentException>(() => cache.Decode(0, 0, 0, 1, new float[63], new float[96]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.ShouldTrim(-1));
        cache.Append(0, ReadOnlySpan<float>.Empty, default);
        Assert.Equal(before, cache.Freeze());
    }
}
