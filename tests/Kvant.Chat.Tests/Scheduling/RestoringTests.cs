using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Tests.Formats;

namespace Kvant.Chat.Tests.Scheduling;

/// <summary>Requests whose beginning a store has, while the store thinks.</summary>
public sealed class RestoringTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task NobodyTakesTheRoomOfARestoreThatIsOnItsWay()
    {
        string prompt = Asking.Long(900), other = "1. " + Asking.Long(900);
        MemoryChunkStore chunks = new(1L << 28);
        using PagePool free = new();
        long one;
        await using (TextEngine engine = Asking.Engine(_folder, o => o with { Store = chunks, Pool = free }))
        {
            await engine.Ask(prompt, 3).End;
            await engine.FlushAsync(default);
            one = free.UsedBytes;
        }

        // For one of them and a half.
        using PagePool pool = new(one * 3 / 2);
        ThinkingStore store = new(chunks);
        await using TextEngine little = Asking.Engine(_folder, o => o with { Store = store, Pool = pool });
        Answer restored = little.Ask(prompt, 3);
        await store.IsAsked;
        Answer waits = little.Ask(other, 3);
        Assert.False(SpinWait.SpinUntil(() => waits.Restoring is not null || waits.Sequence is not null, TimeSpan.FromSeconds(1)));
        store.Answer();
        Assert.InRange((await restored.End).Cached, 256, restored.Prompt.Length);
        Assert.Equal(3, (await waits.End).Written);
    }

    // Says what there is, to the one who asks first as soon as it is told to.
    private sealed class ThinkingStore(IChunkStore inner) : IChunkStore
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously), _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task IsAsked => _asked.Task;

        public int LargestValue => inner.LargestValue;

        public void Answer() => _answer.SetResult();

        public async Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
        {
            if (_asked.TrySetResult())
                await _answer.Task;
            return await inner.ContainsAsync(keys, cancellation);
        }

        public Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default) => inner.GetAsync(keys, destinations, cancellation);

        public Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default) => inner.PutAsync(keys, values, cancellation);

        public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default) => inner.RemoveAsync(keys, cancellation);
    }
}
