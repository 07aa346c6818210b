using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>
/// Where chunks live: values of bytes under keys that say everything about them. What is under a key never changes in meaning, so a store needs no
/// transactions, may forget anything at any time, and may be shared by any number of processes.
/// </summary>
/// <remarks>
/// <para>Any number of calls may run at once. None throws but for wrong arguments and for a cancellation that the caller asked for: whatever else goes wrong is an answer. A cancellation is the caller's
/// time limit too; a store should end soon after it.</para>
/// <para>Nothing that a store returns is trusted: readers compare checksums, keys and tokens.</para>
/// </remarks>
public interface IChunkStore
{
    /// <summary>The longest value that <see cref="PutAsync"/> takes, in bytes.</summary>
    int LargestValue { get; }

    /// <summary>Says which keys there are; what is used last does not change by it. A chunk may be gone all the same when it is asked for.</summary>
    /// <param name="keys">The keys, those of a sequence in order.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <returns>For each key whether there is a value. Where the store cannot say: false.</returns>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default);

    /// <summary>Copies values into memory of the caller's.</summary>
    /// <param name="keys">The keys, those of a sequence in order.</param>
    /// <param name="destinations">For each key as much memory as its value may take. What is behind the value, or there is for a miss, may be anything.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <returns>For each key the length of its value, or why there is none.</returns>
    /// <exception cref="ArgumentException">There are not as many destinations as keys.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default);

    /// <summary>Stores values: each whole or not at all. A value under a key that there is replaces what was there.</summary>
    /// <param name="keys">The keys, those of a sequence in order.</param>
    /// <param name="values">For each key its value; it may change once the call has ended.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <returns>For each key what became of it.</returns>
    /// <exception cref="ArgumentException">There are not as many values as keys.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default);

    /// <summary>Forgets values; those that are not there are forgotten already.</summary>
    /// <param name="keys">The keys.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default);
}
