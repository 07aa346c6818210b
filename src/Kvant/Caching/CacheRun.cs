using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>
/// Compressed keys and values of neighboring tokens of one head, as they lie in memory, for code that attends to them in place.
/// Valid while the cache is read: <see cref="CacheReader"/> gives it.
/// </summary>
public readonly ref struct CacheRun
{
    /// <summary>Reads the key blocks.</summary>
    public required Codec KeyCodec { get; init; }

    /// <summary>Reads the value blocks; where values are the first numbers of keys (<see cref="LayerGeometry.ValuesInKeys"/>), the codec of the keys.</summary>
    public required Codec ValueCodec { get; init; }

    /// <summary>Whole blocks of <see cref="KeyCodec"/>: <see cref="Rows"/> keys.</summary>
    public required ReadOnlySpan<byte> Keys { get; init; }

    /// <summary>Whole blocks of <see cref="ValueCodec"/>: <see cref="Rows"/> values, or the keys that they are part of.</summary>
    public required ReadOnlySpan<byte> Values { get; init; }

    /// <summary>The position in the sequence of the first row, dead or not.</summary>
    public required int FirstPosition { get; init; }

    /// <summary>The number of the first row, as the codecs count rows (<see cref="Codec.Score"/>, <see cref="Codec.Decode(ReadOnlySpan{byte}, Span{float}, int)"/>).</summary>
    public required int FirstRow { get; init; }

    /// <summary>Rows in the blocks, at least 1 and, outside sinks and window, at most 128.</summary>
    public required int Rows { get; init; }

    /// <summary>Leading rows that are evicted but share a block with rows that live: give them no weight. Fewer than <see cref="Rows"/>.</summary>
    public required int Dead { get; init; }
}
