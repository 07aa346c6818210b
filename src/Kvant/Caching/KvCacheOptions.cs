using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>How a <see cref="KvCache"/> stores a sequence.</summary>
public sealed record KvCacheOptions
{
    /// <summary>The <see cref="Sinks"/> where nobody says otherwise: 64.</summary>
    public const int DefaultSinks = 64;

    /// <summary>The <see cref="Window"/> where nobody says otherwise: 128. At 32,768 tokens sinks and window together are a hundred-and-seventieth of them, and losses are less than half of what they are with 4 and 64 (docs/decisions/0043-a-longer-tail.md).</summary>
    public const int DefaultWindow = 128;

    private readonly int _sinks = DefaultSinks;
    private readonly int _window = DefaultWindow;
    private readonly int _draftTokens;
    private readonly long? _memoryLimit;
    private readonly CodecSpec? _windowCodec;

    /// <summary>The shape of the model's cache.</summary>
    public required CacheGeometry Geometry { get; init; }

    /// <summary>How each layer is compressed, one entry per layer: a <see cref="LayerPolicy"/>, or any list.</summary>
    public required IReadOnlyList<LayerSpecs> Policy { get; init; }

    /// <summary>Tokens at the beginning of the sequence that are never compressed and never evicted: attention leans on them.
    /// 0 or more; <see cref="DefaultSinks"/> unless said.</summary>
    public int Sinks { get => _sinks; init => _sinks = NotNegative(value, nameof(Sinks)); }

    /// <summary>The newest tokens that are not compressed yet: 0 or more; <see cref="DefaultWindow"/> unless said. Rows leave in whole blocks, so the
    /// window of a long sequence holds this many tokens (and <see cref="DraftTokens"/>) to this many and a block less one.</summary>
    public int Window { get => _window; init => _window = NotNegative(value, nameof(Window)); }

    /// <summary>The longest draft that may be refused: 0 or more; 0 unless said. So many tokens wait beside the window, and a cut
    /// (<see cref="KvCache.Truncate"/>) of at most as many of the newest leaves at least <see cref="Window"/> that are not compressed.</summary>
    public int DraftTokens { get => _draftTokens; init => _draftTokens = NotNegative(value, nameof(DraftTokens)); }

    /// <summary>How sinks and window are stored: <c>fp16</c> or <c>fp32</c>. Null for <c>fp16</c>, and <c>fp32</c> in layers whose keys
    /// or values are <c>fp32</c>. All rows are rounded to it as they enter.</summary>
    /// <exception cref="ArgumentException">Another codec.</exception>
    public CodecSpec? WindowCodec
    {
        get => _windowCodec;
        init => _windowCodec = value is null || value.Method.Name is "fp16" or "fp32"
            ? value
            : throw new ArgumentException($"The window is fp16 or fp32, not '{value}'.", nameof(WindowCodec));
    }

    /// <summary>What the cache forgets by itself, beside what no query of a layer with a sliding window (<see cref="LayerGeometry.SlidingWindow"/>) will see again;
    /// nothing unless said. A layer may have a rule of its own (<see cref="LayerSpecs.Eviction"/>).</summary>
    public Eviction Eviction { get; init; } = Eviction.None;

    /// <summary>What the cache belongs to; null where nobody said. Nothing but freezing and thawing looks at it.</summary>
    public CacheIdentity? Identity { get; init; }

    /// <summary>Where memory comes from. Null for a pool of the cache's own, without a limit; caches that share one reuse each other's
    /// pages and obey one limit.</summary>
    public PagePool? Pool { get; init; }

    /// <summary>The most bytes that the cache holds; null for no limit but the pool's. As it fills, its oldest tokens are coded again, in the steps that its policy has for this (<see cref="AgeStep.WhenFull"/>) or down to
    /// <see cref="Floor"/>: a little at each append, and at the same tokens however these were split. What does not fit even so is refused as by a full pool.</summary>
    /// <remarks>Layers have shares, as large as their oldest tokens are. Each keeps about two pages of 128 tokens of each step free, so that a limit should be for a thousand tokens or more.
    /// A call that appends many tokens makes new blocks before old ones go: while it runs the cache may hold both.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public long? MemoryLimit
    {
        get => _memoryLimit;
        init => _memoryLimit = value is null or >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(MemoryLimit), value, "The number of bytes cannot be negative.");
    }

    /// <summary>The fewest bits that tokens may be coded to under a <see cref="MemoryLimit"/>, or under that of a <see cref="Pool"/> where the cache has none (<see cref="PagePool.MakeRoom"/>), one entry per layer: old values first, then
    /// old keys. What takes no more than that already stays as it is. Null where the policy says how.</summary>
    public IReadOnlyList<LayerSpecs>? Floor { get; init; }

    /// <summary>Whether tokens may have to be coded again for want of room: under a limit of the cache's own, or of its pool.</summary>
    internal bool IsLimited => MemoryLimit is not null || Pool is { MemoryLimit: < long.MaxValue };

    /// <summary>Options that somebody else thought about: see <see cref="CachePreset"/> for the names and docs/methods/presets.md for their numbers.</summary>
    /// <param name="name"><c>quality</c>, <c>balanced</c>, <c>small</c> or <c>tiny</c>.</param>
    /// <param name="geometry">The shape of the model's cache.</param>
    /// <exception cref="ArgumentException">There is no such preset.</exception>
    public static KvCacheOptions Preset(string name, CacheGeometry geometry)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        return new KvCacheOptions { Geometry = geometry, Policy = CachePreset.Named(name).ForLayers(geometry.Layers) };
    }

    private static int NotNegative(int value, string name) => value >= 0
        ? value
        : throw new ArgumentOutOfRangeException(name, value, "The number of tokens cannot be negative.");
}
