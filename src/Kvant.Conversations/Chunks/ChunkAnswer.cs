namespace Kvant.Conversations.Chunks;

/// <summary>What a store says to a question for a chunk: its length, or why there is none.</summary>
public readonly record struct ChunkAnswer
{
    private ChunkAnswer(int length, ChunkMiss? miss) => (Length, Miss) = (length, miss);

    /// <summary>Bytes of the value, at the beginning of the caller's memory; 0 for a miss.</summary>
    public int Length { get; }

    /// <summary>Why there is none; null for a hit.</summary>
    public ChunkMiss? Miss { get; }

    /// <summary>A value.</summary>
    /// <param name="length">Its bytes, at least 0.</param>
    public static ChunkAnswer Hit(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new(length, null);
    }

    /// <summary>No value.</summary>
    /// <param name="miss">Why.</param>
    public static implicit operator ChunkAnswer(ChunkMiss miss) => new(0, miss);

    /// <inheritdoc cref="op_Implicit(ChunkMiss)"/>
    public static ChunkAnswer FromChunkMiss(ChunkMiss miss) => miss;
}
