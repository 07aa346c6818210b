namespace Kvant.Conversations.Stores;

/// <summary>What all stores check of their arguments.</summary>
internal static class SameCount
{
    /// <exception cref="ArgumentException">There are not as many of one as of the other.</exception>
    public static void Require<TKey, TValue>(IReadOnlyList<TKey> keys, IReadOnlyList<TValue> values, string name)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(values);
        if (keys.Count != values.Count)
            throw new ArgumentException($"There are {values.Count} {name} for {keys.Count} keys; as many are wanted.", name);
    }
}
