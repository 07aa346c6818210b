using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>A fast store over a slow one: what is stored goes to both, what only the slow one has is put into the fast one when it is asked for. It holds what the slow one holds.</summary>
/// <param name="fast">Asked first; may forget anything. Stays the caller's.</param>
/// <param name="slow">Has everything. Stays the caller's.</param>
public sealed class TieredChunkStore(IChunkStore fast, IChunkStore slow) : IChunkStore
{
    private readonly IChunkStore _fast = fast ?? throw new ArgumentNullException(nameof(fast));
    private readonly IChunkStore _slow = slow ?? throw new ArgumentNullException(nameof(slow));

    /// <inheritdoc/>
    public int LargestValue => _slow.LargestValue;

    /// <inheritdoc/>
    public Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default) => _slow.ContainsAsync(keys, cancellation);

    /// <inheritdoc/>
    public async Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, destinations, nameof(destinations));
        ChunkAnswer[] answers = await _fast.GetAsync(keys, destinations, cancellation).ConfigureAwait(false);
        int[] missing = [.. Enumerable.Range(0, answers.Length).Where(i => answers[i].Miss is not null)];
        if (missing.Length == 0)
            return answers;
        ChunkKey[] asked = [.. missing.Select(i => keys[i])];
        ChunkAnswer[] found = await _slow.GetAsync(asked, [.. missing.Select(i => destinations[i])], cancellation).ConfigureAwait(false);
        for (int i = 0; i < missing.Length; i++)
            answers[missing[i]] = found[i];
        int[] promoted = [.. missing.Where(i => answers[i].Miss is null && answers[i].Length <= _fast.LargestValue)];
        if (promoted.Length > 0)
            await _fast.PutAsync([.. promoted.Select(i => keys[i])], [.. promoted.Select(i => (ReadOnlyMemory<byte>)destinations[i][..answers[i].Length])], cancellation).ConfigureAwait(false);
        return answers;
    }

    /// <inheritdoc/>
    public async Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, values, nameof(values));
        PutOutcome[] outcomes = await _slow.PutAsync(keys, values, cancellation).ConfigureAwait(false);
        int[] stored = [.. Enumerable.Range(0, outcomes.Length).Where(i => outcomes[i] == PutOutcome.Stored && values[i].Length <= _fast.LargestValue)];
        // What the fast one cannot hold, it must not hold an older value of.
        int[] others = [.. Enumerable.Range(0, outcomes.Length).Except(stored)];
        if (others.Length > 0)
            await _fast.RemoveAsync([.. others.Select(i => keys[i])], cancellation).ConfigureAwait(false);
        if (stored.Length > 0)
            await _fast.PutAsync([.. stored.Select(i => keys[i])], [.. stored.Select(i => values[i])], cancellation).ConfigureAwait(false);
        return outcomes;
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        await _slow.RemoveAsync(keys, cancellation).ConfigureAwait(false);
        await _fast.RemoveAsync(keys, cancellation).ConfigureAwait(false);
    }
}
