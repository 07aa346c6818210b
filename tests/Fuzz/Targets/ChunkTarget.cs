using Kvant.Conversations.Tests.Chunks;

namespace Kvant.Fuzz.Targets;

/// <summary>Stored chunks, with checksums made right again, so that mutants reach what lies behind them: restored beside a good one, and used.</summary>
internal static class ChunkTarget
{
    private static readonly Lazy<ChunkMutants> s_sample = new(static () => new ChunkMutants());

    internal static FuzzTarget Target { get; } = new("chunk", static () => [.. s_sample.Value.Values], Read, static e => e is InvalidDataException)
    {
        // Two caches and a store are part of it.
        AllocatedAtMost = 64 << 20,
    };

    private static void Read(FuzzInput input)
    {
        ChunkMutants sample = s_sample.Value;
        byte[] value = ChunkMutants.Seal(input.Bytes);
        int first = sample.Use([value, sample.Values[1]]), second = sample.Use([sample.Values[0], value]);
        if (first == 0 && second < sample.Tokens.Length)
            throw new InvalidDataException("Neither chunk is restored from it.");
    }
}
