using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Conversations.Tests.Chunks;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>Codes chunks again where they are, as stores do, by what stands in them alone.</summary>
internal static class Recoded
{
    /// <summary>Codes a chunk of a sequence again.</summary>
    public static async Task InAsync(IChunkStore store, PrefixOptions options, int[] tokens, int chunk, LayerSpecs to)
    {
        ChunkKey[] keys = new ChunkPlan(options).KeysOf(tokens);
        byte[] first = await GetAsync(store, options, keys[0]), value = await GetAsync(store, options, keys[chunk]);
        byte[] coded = ChunkMutants.Recode(value, first, to);
        Assert.InRange(coded.Length, 1, value.Length);
        Assert.Equal((PutOutcome[])[PutOutcome.Stored], await store.PutAsync([keys[chunk]], [coded]));
    }

    public static async Task<byte[]> GetAsync(IChunkStore store, PrefixOptions options, ChunkKey key)
    {
        byte[] buffer = new byte[new ChunkPlan(options).LargestChunk(0)];
        ChunkAnswer answer = (await store.GetAsync([key], [buffer]))[0];
        Assert.Null(answer.Miss);
        return buffer[..answer.Length];
    }
}
