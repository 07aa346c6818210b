using System.Buffers;
using System.Diagnostics;
using System.Threading.Channels;
using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations;

/// <summary>Writes chunks from forks, one after the other, while their sequences go on. It has room for so many and says of others that they found none.</summary>
internal sealed class ChunkQueue : IAsyncDisposable
{
    private readonly ChunkPlan _plan;
    private readonly SafeStore _store;
    private readonly PrefixCounts _counts;
    private readonly Channel<Work> _channel;
    private readonly Task _loop;

    public ChunkQueue(ChunkPlan plan, SafeStore store, PrefixCounts counts)
    {
        (_plan, _store, _counts) = (plan, store, counts);
        _channel = Channel.CreateBounded<Work>(new BoundedChannelOptions(plan.Options.QueueLength) { SingleReader = true });
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Adds the chunks of a sequence from one on.</summary>
    /// <param name="sequence">Whose cache is forked here.</param>
    /// <param name="first">The first chunk to write.</param>
    /// <param name="keys">Those of all chunks of the sequence.</param>
    /// <param name="tokens">Those of all of them.</param>
    /// <param name="sections">What chunks from the first to write on have beside keys and values.</param>
    /// <returns>Whether there was room.</returns>
    public bool TryAdd(StoredSequence sequence, int first, ChunkKey[] keys, int[] tokens, byte[][][] sections)
    {
        KvCache fork = sequence.Cache.Fork();
        if (_channel.Writer.TryWrite(new Work(sequence, fork, first, keys, tokens, sections, null)))
        {
            ConversationMetrics.Queued(1);
            return true;
        }

        fork.Dispose();
        _counts.Dropped(keys.Length - first);
        return false;
    }

    /// <summary>Waits for all that is in the queue now.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await _channel.Writer.WriteAsync(new Work(null, null, 0, [], [], [], done), cancellation).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            await _loop.WaitAsync(cancellation).ConfigureAwait(false);
            return;
        }

        await done.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Writer.TryComplete();
        await _loop.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        await foreach (Work work in _channel.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            if (work.Fork is { } fork)
            {
                using (fork)
                    await WriteAsync(work, fork).ConfigureAwait(false);
                ConversationMetrics.Queued(-1);
            }

            work.Done?.SetResult();
        }
    }

    // A chunk without the one before is of no use: the first that cannot be stored is the last that is tried.
    private async Task WriteAsync(Work work, KvCache fork)
    {
        (bool[] known, _) = await _store.ContainsAsync(work.Keys.AsSpan(work.First).ToArray(), CancellationToken.None).ConfigureAwait(false);
        for (int chunk = work.First; chunk < work.Keys.Length; chunk++)
        {
            if (known[chunk - work.First])
            {
                _counts.Known();
                continue;
            }

            long start = Stopwatch.GetTimestamp();
            byte[] buffer = ArrayPool<byte>.Shared.Rent(_plan.LargestChunk(chunk));
            int length = ChunkBytes.Write(
                _plan, fork, chunk, work.Keys[chunk], chunk == 0 ? default : work.Keys[chunk - 1], _plan.Tokens(work.Tokens, chunk), work.Sections[chunk - work.First], buffer);
            PutOutcome outcome = length > _store.LargestValue ? PutOutcome.TooLong : await _store.PutAsync(work.Keys[chunk], buffer.AsMemory(0, length), CancellationToken.None).ConfigureAwait(false);
            // A store that did not end in time may still read the buffer: nobody else may have it then.
            if (outcome != PutOutcome.TimedOut)
                ArrayPool<byte>.Shared.Return(buffer);
            long raw = (_plan.Border(chunk + 1) - _plan.Border(chunk)) * fork.Geometry.Fp16BytesPerToken;
            _counts.Put(outcome, length, raw, Stopwatch.GetElapsedTime(start));
            if (outcome == PutOutcome.Stored)
                continue;
            work.Sequence!.Lose(chunk);
            return;
        }
    }

    private sealed record Work(StoredSequence? Sequence, KvCache? Fork, int First, ChunkKey[] Keys, int[] Tokens, byte[][][] Sections, TaskCompletionSource? Done);
}
