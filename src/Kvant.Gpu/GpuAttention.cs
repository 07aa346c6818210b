using Kvant.Attention;
using Kvant.Caching;
using Kvant.Gpu.Steps;

namespace Kvant.Gpu;

/// <summary>
/// Attention on a device over copies of caches (<see cref="GpuKvCache"/>), straight from their compressed bytes: what <see cref="CacheAttention"/> is on the processor, with the same settings and
/// the same answers but for the rounding of floats.
/// </summary>
/// <remarks>
/// <para>Queries that share a key-value head share what is unpacked; long sequences are cut into ranges of pages that are merged. Everything is computed in floats, what
/// <see cref="Codecs.Arithmetic.Exact"/> is on the processor, unless <see cref="Codecs.Arithmetic.Fast"/> is asked for and a card of NVIDIA has matrix units: these multiply queries, unpacked numbers and weights as halves, of compressed
/// rows alone. Queries are taken into the basis of the codes by the processor, and results out of it.</para>
/// <para>One call at a time; a second one, of whatever kind, is refused: make one per thread of your own.</para>
/// </remarks>
public sealed partial class GpuAttention : IDisposable
{
    private readonly AttentionSettings[] _settings; // one, or one per layer
    private readonly Basis _basis = new();
    private readonly List<Scratch> _scratch = [];
    private Turn _turn;

    /// <summary>Attention for caches of a geometry, computed as nearly all models do.</summary>
    /// <param name="device">The device; it stays the caller's.</param>
    /// <param name="geometry">The shape of the caches.</param>
    /// <exception cref="ArgumentException">Query heads do not divide into groups.</exception>
    public GpuAttention(GpuDevice device, CacheGeometry geometry)
        : this(device, geometry, new AttentionSettings())
    {
    }

    /// <summary>Attention for caches of a geometry.</summary>
    /// <param name="device">The device; it stays the caller's.</param>
    /// <param name="geometry">The shape of the caches.</param>
    /// <param name="settings">How attention is computed. How many threads does not matter here.</param>
    /// <exception cref="ArgumentException">Query heads do not divide into groups, or there is not one slope or sink logit per query head, or one is not finite.</exception>
    public GpuAttention(GpuDevice device, CacheGeometry geometry, AttentionSettings settings)
        : this(device, geometry, [settings])
    {
    }

    /// <summary>As above, for models whose layers differ in more than their shape.</summary>
    /// <param name="device">The device.</param>
    /// <param name="geometry">The shape of the caches.</param>
    /// <param name="settings">How attention is computed, one entry per layer, or one for all.</param>
    /// <exception cref="ArgumentException">As above, or there is another number of settings.</exception>
    public GpuAttention(GpuDevice device, CacheGeometry geometry, IReadOnlyList<AttentionSettings> settings)
    {
        ArgumentNullException.ThrowIfNull(device);
        (Device, Geometry, _settings) = (device, geometry, AttentionArguments.Settings(geometry, settings));
    }

    /// <summary>Where it computes.</summary>
    public GpuDevice Device { get; }

    /// <summary>The shape of the caches.</summary>
    public CacheGeometry Geometry { get; }

    /// <summary>How attention is computed, in a layer.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public AttentionSettings SettingsOf(int layer) => _settings[_settings.Length == 1 ? 0 : layer];

    /// <summary>The newest token attends to all that the layer holds, itself included: append it to the cache first.</summary>
    /// <param name="cache">The copy of the cache; what came to the cache since it was copied last is copied first.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[query head, key dimension], with rotary embeddings where the keys have them.</param>
    /// <param name="outputs">Receives [query head, value dimension]; zeros where there is nothing to attend to.</param>
    /// <param name="logSumExp">Receives, per query head, the natural logarithm of the sum of e^logit; empty if it is not wanted.</param>
    /// <param name="sinkQueries">Other queries for the sinks, such as some that are rotated to another position; empty for the same.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number of a query is NaN or infinite, or the cache has another geometry or lies on another device.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress.</exception>
    /// <exception cref="GpuException">The device has no room, or fails. The cache is unchanged; outputs may be anything.</exception>
    /// <exception cref="ObjectDisposedException">This object, the cache, its copy or the device is disposed.</exception>
    public void Decode(GpuKvCache cache, int layer, TokenRows queries, Span<float> outputs, Span<float> logSumExp = default, TokenRows sinkQueries = default) =>
        Decode([cache], layer, queries, outputs, logSumExp, sinkQueries);

    /// <summary>As above for the newest tokens of many sequences in one call.</summary>
    /// <param name="caches">A copy per sequence; one may stand there twice.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[sequence, query head, key dimension].</param>
    /// <param name="outputs">Receives [sequence, query head, value dimension].</param>
    /// <param name="logSumExp">Receives [sequence, query head]; empty if it is not wanted.</param>
    /// <param name="sinkQueries">[sequence, query head, key dimension]; empty for the same.</param>
    /// <inheritdoc cref="Decode(GpuKvCache, int, TokenRows, Span{float}, Span{float}, TokenRows)"/>
    public void Decode(ReadOnlySpan<GpuKvCache> caches, int layer, TokenRows queries, Span<float> outputs, Span<float> logSumExp = default, TokenRows sinkQueries = default)
    {
        foreach (GpuKvCache cache in caches)
            CheckCache(cache);
        LayerGeometry shape = Geometry[layer];
        int width = shape.QueryHeads * shape.KeyDimension;
        AttentionArguments.RequireStep(shape, caches.Length, queries, outputs.Length, logSumExp.Length, sinkQueries);
        if (caches.IsEmpty)
            return;
        using Turn.Taken turn = _turn.Take(this);
        float[] asked = Keep(queries, 0, caches.Length, width, shape.KeyDimension, nameof(queries));
        float[] askedOfSinks = sinkQueries.IsEmpty ? [] : Keep(sinkQueries, 0, caches.Length, width, shape.KeyDimension, nameof(sinkQueries));
        using var reading = new Reading(caches);
        var step = new Step(Device, shape, SettingsOf(layer), 1, !sinkQueries.IsEmpty);
        for (int i = 0; i < caches.Length; i++)
        {
            KvCache cache = caches[i].Cache;
            LayerMemory memory = cache.LayerAt(layer);
            int position = memory.Extent.Length - 1;
            cache.Observe(layer, Math.Max(0, position), asked.AsSpan(i * width, width));
            step.AddCache(i, memory, caches[i].Follow(layer), [SightOf(memory, shape, position, position)]);
        }

        step.Run(_basis, _scratch, asked, askedOfSinks, caches.Length, outputs, logSumExp);
    }

    /// <summary>Gives the device's memory back, after the call in progress; twice is fine.</summary>
    public void Dispose()
    {
        if (!_turn.End(this, within: false))
            return;
        foreach (Scratch scratch in _scratch)
            scratch.Free();
    }

    // As CacheAttention sees it: living, not in its future, not behind its window.
    private static Sight SightOf(LayerMemory memory, LayerGeometry shape, int position, int last)
    {
        int sinks = memory.Layout.Sinks, window = shape.SlidingWindow > 0 ? position - shape.SlidingWindow + 1 : 0;
        long forgotten = memory.Layout.Eviction.FirstLive((long)position + 1, sinks);
        int first = Math.Max((int)Math.Min(forgotten, int.MaxValue), memory.Extent.FirstLive);
        return new(position, Math.Max(first, window), Math.Max(0, window), last + 1);
    }

    private static float[] Keep(TokenRows rows, int first, int count, int width, int dimension, string name)
    {
        float[] copy = new float[count * width];
        rows.CopyTo(first, count, width, copy);
        AttentionArguments.RequireFinite(copy, dimension, name);
        return copy;
    }

    private void CheckCache(GpuKvCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        if (cache.Device != Device)
            throw new ArgumentException($"The copy of the cache lies on {cache.Device.Info.Name}, opened by another call; this attention computes on {Device.Info.Name}.", nameof(cache));
        if (cache.Cache.Geometry != Geometry)
            throw new ArgumentException($"The cache is {cache.Cache.Geometry}; this attention is for {Geometry}.", nameof(cache));
    }
}
