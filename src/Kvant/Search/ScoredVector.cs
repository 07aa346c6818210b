namespace Kvant.Search;

/// <summary>A vector that a search found.</summary>
/// <param name="Index">Its place in the index: 0 for the first that was added.</param>
/// <param name="Score">Its inner product with the query.</param>
public readonly record struct ScoredVector(int Index, float Score);
