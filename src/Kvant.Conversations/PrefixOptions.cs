using Kvant.Caching;

namespace Kvant.Conversations;

/// <summary>What a <see cref="PrefixStore"/> stores, and for whom.</summary>
public sealed record PrefixOptions
{
    /// <summary>Tokens of a chunk unless said otherwise.</summary>
    public const int DefaultChunkTokens = 256;

    // What a page of a cache holds.
    private const int PageRows = 128;
    private const int MostChunkTokens = 1 << 16;

    private readonly int _chunkTokens = DefaultChunkTokens;
    private readonly int _queueLength = 8;
    private readonly TimeSpan _timeLimit = TimeSpan.FromSeconds(10);
    private readonly string _tenant = "";
    private readonly KvCacheOptions? _cache;
    private readonly IReadOnlyList<string> _sections = [];
    private readonly int _largestSection = 16 << 20;

    /// <summary>How sequences are stored in memory. They must name their weights (<see cref="KvCacheOptions.Identity"/>), so that nothing of another model is ever found, and
    /// must not evict: what was forgotten cannot be stored. Nor may tokens be coded again by themselves, as they age (<see cref="LayerSpecs.Ages"/>) or as memory fills (<see cref="KvCacheOptions.Floor"/>): blocks would change behind the store's back.</summary>
    /// <exception cref="ArgumentException">They do not name their weights, evict, or code tokens again.</exception>
    public required KvCacheOptions Cache
    {
        get => _cache!;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Identity?.Weights is null)
                throw new ArgumentException("The cache's options do not name the weights that its keys and values are of; say so by their Identity.", nameof(value));
            if (value.Eviction != Eviction.None || value.Policy.Any(layer => layer.Eviction is { } eviction && eviction != Eviction.None))
                throw new ArgumentException("A cache that evicts tokens cannot be stored: they would be missing.", nameof(value));
            if (value.Policy.Any(layer => layer.Ages.Count > 0) || value is { Floor: not null, IsLimited: true })
                throw new ArgumentException("A cache whose tokens are coded again as they age or as memory fills cannot be stored in chunks: blocks would change after they were stored. Give its layers one pair of codecs each.", nameof(value));
            _cache = value;
        }
    }

    /// <summary>Names the tokenizer, best by a hash of its vocabulary; null where the weights say it.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Keeps users apart: whoever does not know this text cannot name, find or guess what was stored under it. Empty for what all may share.</summary>
    /// <exception cref="ArgumentException">It is longer than 1,024 characters.</exception>
    public string Tenant
    {
        get => _tenant;
        init => _tenant = value?.Length <= CacheIdentity.MaxLength ? value
            : throw new ArgumentException($"A tenant has at most {CacheIdentity.MaxLength} characters; there are {value?.Length}.", nameof(value));
    }

    /// <summary>Tokens of a chunk: a multiple of 128, up to 65,536; 256 unless said. Fewer let more of a sequence be found, more cost fewer bytes and calls.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Another number.</exception>
    public int ChunkTokens
    {
        get => _chunkTokens;
        init => _chunkTokens = value is > 0 and <= MostChunkTokens && value % PageRows == 0 ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, $"A chunk has a multiple of {PageRows} tokens, at most {MostChunkTokens}.");
    }

    /// <summary>How many calls of <see cref="StoredSequence.Store"/> may wait to be written, each with a fork of its cache: at least 1; 8 unless said. More are dropped, and counted.</summary>
    public int QueueLength
    {
        get => _queueLength;
        init => _queueLength = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A queue has room for at least 1.");
    }

    /// <summary>The longest that looking up and loading a prefix may take, and that writing a chunk may; 10 seconds unless said.</summary>
    public TimeSpan TimeLimit
    {
        get => _timeLimit;
        init => _timeLimit = value > TimeSpan.Zero && value <= TimeSpan.FromDays(1) ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "A time limit is more than nothing and at most a day.");
    }

    /// <summary>Names of what a model keeps beside keys and values, such as the state of recurrent layers: every chunk has them all (<see cref="StoredSequence.Keep"/>). None unless said.</summary>
    /// <exception cref="ArgumentException">A name is empty, longer than 255 characters, stands twice, or has others than small letters, digits, dots and underscores.</exception>
    public IReadOnlyList<string> Sections
    {
        get => _sections;
        init
        {
            string[] names = [.. value];
            foreach (string name in names)
            {
                if (name.Length is 0 or > byte.MaxValue || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_') || names.Count(n => n == name) > 1)
                    throw new ArgumentException($"'{name}' is no name of a section, or stands twice: small letters, digits, dots and underscores, 1 to {byte.MaxValue}.", nameof(value));
            }

            _sections = names;
        }
    }

    /// <summary>The most bytes that one of <see cref="Sections"/> may have: at least 0; 16 MiB unless said.</summary>
    public int LargestSection
    {
        get => _largestSection;
        init => _largestSection = value >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A section has no negative length.");
    }
}
