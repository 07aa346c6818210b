using Kvant.Caching;
using Kvant.Conversations.Tests.Chunks;

namespace Kvant.Fuzz.Targets;

/// <summary>Stored chunks, with checksums made right again, so that mutants reach what lies behind them: restored beside a good one, and used; coded again.</summary>
internal static class ChunkTarget
{
    private static readonly Lazy<ChunkMutants> s_sample = new(static () => new ChunkMutants());
    private static readonly LayerSpecs s_codecs = LayerSpecs.FromText("turboquant:bits=2");

    internal static FuzzTarget Target { get; } = new("chunk", Corpus, Read, static e => e is InvalidDataException)
    {
        // Two caches and a store are part of it.
        AllocatedAtMost = 64 << 20,
    };

    private static byte[][] Corpus()
    {
        byte[][] values = s_sample.Value.Values;
        return [.. values, .. values.Select(value => ChunkMutants.Recode(value, values[0], s_codecs))];
    }

    private static void Read(FuzzInput input)
    {
        ChunkMutants sample = s_sample.Value;
        byte[] value = ChunkMutants.Seal(input.Bytes);
        foreach ((byte[] chunk, byte[] before) in ((byte[], byte[])[])[(value, value), (value, sample.Values[0]), (sample.Values[1], value)])
        {
            try
            {
                ChunkMutants.Recode(chunk, before, s_codecs);
            }
            catch (Exception refused) when (refused is InvalidDataException or ArgumentException)
            {
                // As good as a chunk.
            }
        }

        int first = sample.Use([value, sample.Values[1]]), second = sample.Use([sample.Values[0], value]);
        if (first == 0 && second < sample.Tokens.Length)
            throw new InvalidDataException("Neither chunk is restored from it.");
    }
}
