namespace Kvant.Caching;

/// <summary>Where the memory of a cache goes, to the byte.</summary>
public sealed record CacheStatistics
{
    /// <summary>Tokens that attention sees, summed over layers.</summary>
    public required long LiveRows { get; init; }

    /// <summary>Tokens in the windows, evicted ones too, summed over layers. A long sequence with a window of W, room for drafts of D and
    /// blocks of B rows holds W + D to W + D + B - 1 in each.</summary>
    public required long WindowRows { get; init; }

    /// <summary>Of <see cref="LiveRows"/> those that attention sees as they were appended, rounded to the window's codec: sinks, and tokens of
    /// the windows but those that a cut (<see cref="KvCache.Truncate"/>) brought back from a compressed block.</summary>
    public required long ExactRows { get; init; }

    /// <summary>Of <see cref="LiveRows"/> those that were coded again after they left the window: as they aged (<see cref="LayerSpecs.Ages"/>), or by <see cref="KvCache.Recode"/>.</summary>
    public required long RecodedRows { get; init; }

    /// <summary>Bytes of codes of keys. A block that was cut counts whole until it is closed again.</summary>
    public required long KeyCodeBytes { get; init; }

    /// <summary>Bytes of scales, zero points and the like of keys.</summary>
    public required long KeyScaleBytes { get; init; }

    /// <summary>Bytes of codes of values.</summary>
    public required long ValueCodeBytes { get; init; }

    /// <summary>Bytes of scales, zero points and the like of values.</summary>
    public required long ValueScaleBytes { get; init; }

    /// <summary>Bytes of tokens in the windows.</summary>
    public required long WindowBytes { get; init; }

    /// <summary>Bytes of the sinks.</summary>
    public required long SinkBytes { get; init; }

    /// <summary>Bytes of what codecs chose from data, once per head.</summary>
    public required long StateBytes { get; init; }

    /// <summary>Bytes that hold nothing that attention sees: room for rows that are to come and for codes of rows that still wait, and padding.</summary>
    public required long FreeBytes { get; init; }

    /// <summary>Bytes of evicted tokens whose memory is not returned yet: their page still holds others that live.
    /// Evicted rows that share a block with living ones count as codes.</summary>
    public required long DeadBytes { get; init; }

    /// <summary>Of <see cref="TotalBytes"/> those in pages that other caches share (<see cref="KvCache.Fork"/>); each counts them.</summary>
    public required long SharedBytes { get; init; }

    /// <summary>Of <see cref="TotalBytes"/> those in pages that lie on a device alone (<c>owns</c> of <c>Kvant.Gpu.GpuKvCache</c>): the processor has no memory for them.</summary>
    public long AwayBytes { get; init; }

    /// <summary>Bytes of the living tokens in 16-bit floats.</summary>
    public required long Fp16Bytes { get; init; }

    /// <summary>All bytes that the cache holds: of its pool, but for <see cref="AwayBytes"/>.</summary>
    public long TotalBytes => KeyCodeBytes + KeyScaleBytes + ValueCodeBytes + ValueScaleBytes + WindowBytes + SinkBytes + StateBytes + FreeBytes + DeadBytes;

    /// <summary>How many times smaller than 16-bit floats the cache is, everything counted; 0 for an empty one.</summary>
    public double CompressionRatio => TotalBytes == 0 ? 0 : (double)Fp16Bytes / TotalBytes;

    /// <summary>Bits per number of the living tokens, everything counted; 0 if there are none.</summary>
    public double BitsPerValue => Fp16Bytes == 0 ? 0 : 16.0 * TotalBytes / Fp16Bytes;

    internal static CacheStatistics Sum(IEnumerable<CacheStatistics> parts)
    {
        CacheStatistics[] all = [.. parts];
        return new()
        {
            LiveRows = all.Sum(s => s.LiveRows),
            WindowRows = all.Sum(s => s.WindowRows),
            ExactRows = all.Sum(s => s.ExactRows),
            RecodedRows = all.Sum(s => s.RecodedRows),
            KeyCodeBytes = all.Sum(s => s.KeyCodeBytes),
            KeyScaleBytes = all.Sum(s => s.KeyScaleBytes),
            ValueCodeBytes = all.Sum(s => s.ValueCodeBytes),
            ValueScaleBytes = all.Sum(s => s.ValueScaleBytes),
            WindowBytes = all.Sum(s => s.WindowBytes),
            SinkBytes = all.Sum(s => s.SinkBytes),
            StateBytes = all.Sum(s => s.StateBytes),
            FreeBytes = all.Sum(s => s.FreeBytes),
            DeadBytes = all.Sum(s => s.DeadBytes),
            SharedBytes = all.Sum(s => s.SharedBytes),
            AwayBytes = all.Sum(s => s.AwayBytes),
            Fp16Bytes = all.Sum(s => s.Fp16Bytes),
        };
    }
}
