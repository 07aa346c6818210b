namespace Kvant.Kernels;

/// <summary>One register for each of a few queries that are taken through the kernels together, so that a stored number is read once for all.</summary>
/// <typeparam name="TVector">The register type.</typeparam>
/// <typeparam name="TSelf">The group itself.</typeparam>
internal unsafe interface IQueryGroup<TVector, TSelf>
    where TVector : struct
    where TSelf : struct, IQueryGroup<TVector, TSelf>
{
    static abstract int Count { get; }

    /// <summary>A register of each query; <paramref name="stride"/> floats lie between them.</summary>
    static abstract TSelf Load(float* source, nint stride);

    static abstract void Store(TSelf group, float* destination, nint stride);

    /// <summary>One number of each query, in all lanes.</summary>
    static abstract TSelf Broadcast(float* source, nint stride);

    /// <summary>numbers * group + sums, query by query.</summary>
    static abstract TSelf MultiplyAdd(TVector numbers, TSelf group, TSelf sums);

    /// <summary>The sums over the lanes: four rows side by side for each query.</summary>
    static abstract void StoreSums(TSelf row0, TSelf row1, TSelf row2, TSelf row3, float* destination, nint stride);
}
