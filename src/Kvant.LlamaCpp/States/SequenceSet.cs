namespace Kvant.LlamaCpp.States;

/// <summary>Sets of sequences, ascending, compared by what they hold.</summary>
internal sealed class SequenceSet : IEqualityComparer<int[]>, IComparer<int[]>
{
    /// <summary>The only one.</summary>
    public static readonly SequenceSet Comparer = new();

    /// <inheritdoc/>
    public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

    /// <inheritdoc/>
    public int GetHashCode(int[] set)
    {
        var hash = default(HashCode);
        foreach (int sequence in set)
            hash.Add(sequence);
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public int Compare(int[]? x, int[]? y) => x.AsSpan().SequenceCompareTo(y);
}
