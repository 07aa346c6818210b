namespace Kvant.Caching;

/// <summary>
/// The keys and values of one sequence, compressed: of each layer and head a compressed body between two runs in half precision,
/// the sinks (the first tokens) and the window (the newest).
/// </summary>
/// <remarks>
/// <para>A row is rounded to the window's codec as it enters and waits there until a whole block leaves the window, so the bytes never
/// depend on how tokens were split into calls. Positions are absolute and never move; rotary embeddings belong to the caller.</para>
/// <para>One thread may write while others read; what writes waits for them. Memory is native: dispose the cache.</para>
/// <para>A call that is refused changes nothing.</para>
/// </remarks>
public sealed partial class KvCache : IDisposable
{
    /// <summary>An empty cache, which takes no memory of its pool yet.</summary>
    /// <param name="options">Shape, codecs, sinks, window, eviction and memory.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers than the geometry, a codec does not take the dimension,
    /// query heads do not divide into groups, or the eviction keeps nothing beside the sinks.</exception>
    public KvCache(KvCacheOptions options) => Options = options;

    /// <summary>How the cache stores its sequence.</summary>
    public KvCacheOptions Options { get; }

    /// <summary>The shape of the model's cache.</summary>
    public CacheGeometry Geometry => Options.Geometry;

    /// <summary>Tokens that every layer has, evicted ones counted: the position of the next token.</summary>
    public int Length => throw new NotImplementedException();

    /// <summary>What the cache's memory is spent on.</summary>
    public CacheStatistics Statistics => throw new NotImplementedException();

    /// <summary>Tokens that one layer has; within a step the first layers are ahead.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int LayerLength(int layer) => throw new NotImplementedException();

    /// <summary>The first token beside the sinks that is not evicted: sinks are 0 to <see cref="KvCacheOptions.Sinks"/> - 1,
    /// living tokens this to <see cref="LayerLength"/> - 1.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int FirstLive(int layer) => throw new NotImplementedException();

    /// <summary>Tokens that attention sees: sinks and those that are not evicted.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int LiveTokens(int layer) => throw new NotImplementedException();

    /// <summary>The positions of the tokens that attention sees, ascending.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="positions">Receives them: <see cref="LiveTokens"/> numbers.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    public void CopyPositions(int layer, Span<int> positions) => throw new NotImplementedException();

    /// <summary>What the memory of one layer is spent on.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public CacheStatistics LayerStatistics(int layer) => throw new NotImplementedException();

    /// <summary>Adds tokens to a layer: [token, key-value head, number], one token or many.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="keys">Keys, with rotary embeddings where the model has them.</param>
    /// <param name="values">As many values.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, or does not fit the window's codec or a scale of the layer's.</exception>
    /// <exception cref="InsufficientMemoryException">The pool's limit leaves no room.</exception>
    public void Append(int layer, ReadOnlySpan<float> keys, ReadOnlySpan<float> values) => throw new NotImplementedException();

    /// <inheritdoc cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public void Append(int layer, ReadOnlySpan<Half> keys, ReadOnlySpan<Half> values) => throw new NotImplementedException();

    /// <summary>As <see cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/> for bfloat16 numbers, each the upper half of a 32-bit float.</summary>
    /// <inheritdoc cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public void AppendBFloat16(int layer, ReadOnlySpan<ushort> keys, ReadOnlySpan<ushort> values) => throw new NotImplementedException();

    /// <summary>Cuts every layer that is longer to a length, as after speculative tokens that were refused.</summary>
    /// <remarks>
    /// Within the window nothing else changes. Of a compressed block that is cut, the rows that stay are decoded back into the window;
    /// blocks before it keep their bytes. A cut below the first living token leaves the sinks alone: what was evicted does not come back.
    /// </remarks>
    /// <param name="length">Tokens that stay, at least 0.</param>
    /// <exception cref="InsufficientMemoryException">Shared pages must be copied first, and the pool's limit leaves no room.</exception>
    public void Truncate(int length) => throw new NotImplementedException();

    /// <summary>Forgets the tokens between the sinks and a position, in every layer. What is forgotten already stays so.</summary>
    /// <param name="firstLive">The first token that stays, 0 to <see cref="Length"/>.</param>
    public void Evict(int firstLive) => throw new NotImplementedException();

    /// <summary>Whether more tokens would make the eviction rule forget some.</summary>
    /// <param name="incoming">Tokens to come, at least 0.</param>
    public bool ShouldTrim(int incoming) => throw new NotImplementedException();

    /// <summary>Forgets everything and returns all memory to the pool.</summary>
    public void Clear() => throw new NotImplementedException();

    /// <summary>A second cache with the same content. Both share their memory until one of them writes to it.</summary>
    public KvCache Fork() => throw new NotImplementedException();

    /// <summary>Turns tokens of one head back into numbers.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="head">0 to key-value heads - 1.</param>
    /// <param name="first">The position of the first token.</param>
    /// <param name="count">Tokens; all of them must live.</param>
    /// <param name="keys">Receives [token, number].</param>
    /// <param name="values">Receives [token, number].</param>
    /// <exception cref="ArgumentOutOfRangeException">A token is not there: evicted, or not appended yet.</exception>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public void Decode(int layer, int head, int first, int count, Span<float> keys, Span<float> values) => throw new NotImplementedException();

    /// <summary>How many runs hold the living tokens of each head of a layer.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int RunCount(int layer) => throw new NotImplementedException();

    /// <summary>The compressed bytes of neighboring tokens of a head, for code that attends to them in place: first the body, page by page,
    /// then the sinks, then the window in one or two parts. Together the runs hold every living token once.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="head">0 to key-value heads - 1.</param>
    /// <param name="index">0 to <see cref="RunCount"/> - 1.</param>
    /// <returns>Views that are valid until the next write to the cache, or its end.</returns>
    public CacheRun Run(int layer, int head, int index) => throw new NotImplementedException();

    /// <summary>The whole cache as bytes, from which <see cref="Thaw"/> makes one that attends alike. The bytes depend on content alone.</summary>
    public byte[] Freeze() => throw new NotImplementedException();

    /// <summary>Writes the bytes of <see cref="Freeze()"/>.</summary>
    /// <param name="stream">Receives them.</param>
    public void Freeze(Stream stream) => throw new NotImplementedException();

    /// <summary>Makes a cache from the bytes of <see cref="Freeze()"/>.</summary>
    /// <param name="bytes">All of them and no more.</param>
    /// <param name="pool">Where its memory comes from; null for a pool of its own.</param>
    /// <exception cref="InvalidDataException">The bytes are damaged, cut short, of another version or not a frozen cache; the message says where.</exception>
    /// <exception cref="InsufficientMemoryException">The pool's limit leaves no room.</exception>
    public static KvCache Thaw(ReadOnlySpan<byte> bytes, PagePool? pool = null) => throw new NotImplementedException();

    /// <summary>Returns all memory. Twice is fine.</summary>
    public void Dispose() => throw new NotImplementedException();

    // Attention reads between these two: many readers or one writer. Neither allocates.
    internal void EnterRead() => throw new NotImplementedException();

    internal void ExitRead() => throw new NotImplementedException();
}
