namespace Kvant.Caching;

/// <summary>Code that looks at the compressed bytes of a cache; see <see cref="KvCache.Read{TState}(TState, CacheReading{TState})"/>.</summary>
/// <typeparam name="TState">What it gets beside them.</typeparam>
/// <param name="reader">The bytes; they cannot leave the code.</param>
/// <param name="state">What the caller handed in.</param>
public delegate void CacheReading<in TState>(CacheReader reader, TState state)
    where TState : allows ref struct;

/// <summary>Code that looks at the compressed bytes of a cache and returns something.</summary>
/// <typeparam name="TState">What it gets beside them.</typeparam>
/// <typeparam name="TResult">What it returns.</typeparam>
/// <param name="reader">The bytes; they cannot leave the code.</param>
/// <param name="state">What the caller handed in.</param>
public delegate TResult CacheReading<in TState, out TResult>(CacheReader reader, TState state)
    where TState : allows ref struct;
