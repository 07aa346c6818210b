namespace Kvant.Caching;

/// <summary>
/// Which tokens a cache forgets by itself as it grows. Sinks, the first tokens of the sequence, always stay; others are
/// forgotten oldest first. Positions do not move: a token keeps the number that it was appended under.
/// </summary>
public abstract record Eviction
{
    private Eviction()
    {
    }

    /// <summary>Nothing is forgotten.</summary>
    public static Eviction None { get; } = new Everything();

    // How many tokens beside the sinks stay.
    internal abstract long Kept(int sinks);

    /// <summary>The first token beside the sinks that lives in a sequence of a length.</summary>
    internal long FirstLive(long length, int sinks) => Math.Max(sinks, length - Kept(sinks));

    /// <summary>Keeps the newest tokens beside the sinks.</summary>
    /// <param name="Tokens">How many, at least 1.</param>
    public sealed record Newest(int Tokens) : Eviction
    {
        /// <summary>How many tokens beside the sinks are kept, at least 1.</summary>
        public int Tokens { get; } = Tokens >= 1 ? Tokens : throw new ArgumentOutOfRangeException(nameof(Tokens), Tokens, "A cache keeps at least 1 token.");

        internal override long Kept(int sinks) => Tokens;
    }

    /// <summary>Keeps a number of tokens in all: first in, first out, but the sinks survive.</summary>
    /// <param name="Tokens">How many, the sinks counted; more than there are sinks.</param>
    public sealed record MaxTokens(int Tokens) : Eviction
    {
        /// <summary>How many tokens are kept in all, at least 1.</summary>
        public int Tokens { get; } = Tokens >= 1 ? Tokens : throw new ArgumentOutOfRangeException(nameof(Tokens), Tokens, "A cache keeps at least 1 token.");

        internal override long Kept(int sinks) => (long)Tokens - sinks;
    }

    private sealed record Everything : Eviction
    {
        internal override long Kept(int sinks) => long.MaxValue;
    }
}
