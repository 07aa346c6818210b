namespace Kvant.Conversations.Redis;

/// <summary>How a <see cref="RedisChunkStore"/> keeps chunks.</summary>
public sealed record RedisChunkOptions
{
    private readonly string _prefix = "kvant";
    private readonly TimeSpan? _timeToLive;
    private readonly int _largestValue = 64 << 20;
    private readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

    /// <summary>What keys begin with, before a colon; <c>kvant</c> unless said.</summary>
    /// <exception cref="ArgumentException">It is empty or has a brace.</exception>
    public string Prefix
    {
        get => _prefix;
        init => _prefix = value is { Length: > 0 } && !value.AsSpan().ContainsAny('{', '}') ? value
            : throw new ArgumentException($"'{value}' is no prefix: it is empty or has a brace.", nameof(value));
    }

    /// <summary>After so long without use a chunk is gone; null, never, unless said.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less than a millisecond.</exception>
    public TimeSpan? TimeToLive
    {
        get => _timeToLive;
        init => _timeToLive = value is null || value >= TimeSpan.FromMilliseconds(1) ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A chunk lives for a millisecond at least.");
    }

    /// <summary>The longest value that is stored, in bytes: up to 512 MiB, what servers take; 64 MiB unless said.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or more.</exception>
    public int LargestValue
    {
        get => _largestValue;
        init => _largestValue = value is >= 0 and <= 512 << 20 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A value has 0 to 512 MiB.");
    }

    /// <summary>How long a node that failed or was late is left alone; what it holds is a miss meanwhile. 1 second unless said.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public TimeSpan Pause
    {
        get => _pause;
        init => _pause = value >= TimeSpan.Zero ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A pause is not negative.");
    }
}
