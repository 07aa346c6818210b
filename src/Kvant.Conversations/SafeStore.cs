using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations;

/// <summary>A store whose failures are answers, whatever it throws, and whose calls end in time. A cancellation of the caller's goes through.</summary>
/// <param name="store">The store.</param>
/// <param name="timeLimit">The longest that a call may take.</param>
internal sealed class SafeStore(IChunkStore store, TimeSpan timeLimit)
{
    public int LargestValue => store.LargestValue;

    public Task<(bool[] Found, ChunkMiss? Miss)> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation) => RunAsync<(bool[] Found, ChunkMiss? Miss)>(
        async token => (await store.ContainsAsync(keys, token).ConfigureAwait(false) is { } found && found.Length == keys.Count ? found : new bool[keys.Count], null),
        miss => (new bool[keys.Count], miss),
        cancellation);

    public Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation) => RunAsync(
        async token => await store.GetAsync(keys, destinations, token).ConfigureAwait(false) is { } answers && answers.Length == keys.Count ? answers : Missing(ChunkMiss.Unreachable, keys.Count),
        miss => Missing(miss, keys.Count),
        cancellation);

    public Task<PutOutcome> PutAsync(ChunkKey key, ReadOnlyMemory<byte> value, CancellationToken cancellation) => RunAsync(
        async token => await store.PutAsync([key], [value], token).ConfigureAwait(false) is [var outcome] ? outcome : PutOutcome.Failed,
        miss => miss == ChunkMiss.TimedOut ? PutOutcome.TimedOut : PutOutcome.Failed,
        cancellation);

    public Task<bool> RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation) => RunAsync(
        async token =>
        {
            await store.RemoveAsync(keys, token).ConfigureAwait(false);
            return true;
        },
        _ => false,
        cancellation);

    private static ChunkAnswer[] Missing(ChunkMiss miss, int count)
    {
        var answers = new ChunkAnswer[count];
        Array.Fill(answers, miss);
        return answers;
    }

    // Off the caller's context, and no longer than the limit, even where a store does not listen.
    private async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> call, Func<ChunkMiss, T> failed, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timeLimit);
        try
        {
            return await call(limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception late) when (late is OperationCanceledException or TimeoutException)
        {
            return failed(ChunkMiss.TimedOut);
        }
#pragma warning disable CA1031 // a store of strangers may throw anything; none of it is the model's business
        catch (Exception)
#pragma warning restore CA1031
        {
            return failed(ChunkMiss.Unreachable);
        }
    }
}
