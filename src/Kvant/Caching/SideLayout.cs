using Kvant.Codecs;
using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>How the keys, or the values, of a layer are stored.</summary>
/// <param name="codec">The body's codec; not calibrated.</param>
/// <param name="window">The codec of sinks and window: fp16 or fp32.</param>
internal sealed class SideLayout(Codec codec, Codec window)
{
    /// <summary>Rows in a page.</summary>
    public const int PageRows = 128;

    /// <summary>The body's codec, not calibrated.</summary>
    public Codec Codec { get; } = codec;

    /// <summary>The codec of sinks and window.</summary>
    public Codec WindowCodec { get; } = window;

    /// <summary>Numbers in a row.</summary>
    public int Dimension => Codec.Dimension;

    /// <summary>Bytes of a row in sinks and window.</summary>
    public int RowBytes => WindowCodec.BytesPerBlock;

    /// <summary>Bytes of a page that one head takes.</summary>
    public int RunBytes { get; } = (int)Align((long)PageRows / codec.RowsPerBlock * codec.BytesPerBlock);

    /// <summary>What rows in the body take.</summary>
    /// <param name="rows">Whole blocks of rows.</param>
    public long BlockBytes(long rows) => rows / Codec.RowsPerBlock * Codec.BytesPerBlock;

    /// <summary>What of <see cref="BlockBytes"/> is not codes.</summary>
    public long ScaleBytes(long rows) => rows / Codec.RowsPerBlock * Codec.ScaleBytesPerBlock;

    /// <summary>Rounds up to where a cache line begins.</summary>
    public static long Align(long bytes) => (bytes + NativePage.Alignment - 1) / NativePage.Alignment * NativePage.Alignment;
}
