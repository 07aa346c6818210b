namespace Kvant.Caching;

/// <summary>Neighboring tokens of a layer that were coded again: what <see cref="KvCache.Recoded"/> tells.</summary>
/// <param name="Layer">The layer that stores them.</param>
/// <param name="First">The position of the first.</param>
/// <param name="Count">How many; all of them live.</param>
/// <param name="Step">Their codecs from now on. Its age says why: <see cref="AgeStep.WhenFull"/> as the cache filled (<see cref="KvCacheOptions.MemoryLimit"/>), <see cref="AgeStep.Never"/> by a call
/// (<see cref="KvCache.Recode"/>), any other because so many tokens are newer.</param>
public sealed record CacheRecoding(int Layer, int First, int Count, AgeStep Step);
