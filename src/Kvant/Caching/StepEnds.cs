using System.Runtime.CompilerServices;

namespace Kvant.Caching;

/// <summary>Where the older steps of a layer's body end: of step 1, then of step 2, and so on; none ends behind the one before.</summary>
[InlineArray(Count)]
internal struct StepEnds : IEquatable<StepEnds>
{
    /// <summary>The most steps beside the newest.</summary>
    public const int Count = 7;

    private int _first;

    public readonly bool Equals(StepEnds other) => ((ReadOnlySpan<int>)this).SequenceEqual(other);

    public override readonly bool Equals(object? obj) => obj is StepEnds other && Equals(other);

    public override readonly int GetHashCode()
    {
        int hash = 0;
        foreach (int end in (ReadOnlySpan<int>)this)
            hash = HashCode.Combine(hash, end);
        return hash;
    }

    public override readonly string ToString() => string.Join(' ', ((ReadOnlySpan<int>)this).ToArray());
}
