namespace Kvant.Kernels;

/// <summary>The few operations on 16-bit numbers that the search of <see cref="TrellisSearch"/> is written in.</summary>
/// <typeparam name="TVector">The register type.</typeparam>
internal unsafe interface ITrellisSimd<TVector>
    where TVector : struct
{
    /// <summary>Numbers in a register.</summary>
    static abstract int Lanes { get; }

    static abstract TVector Broadcast(int value);

    static abstract TVector Load(ushort* source);

    static abstract void Store(TVector value, ushort* destination);

    static abstract TVector Min(TVector a, TVector b);

    /// <summary>max(a - b, 0).</summary>
    static abstract TVector Subtract(TVector a, TVector b);

    /// <summary><paramref name="choice"/> where a equals b, else what was there.</summary>
    static abstract TVector Choose(TVector a, TVector b, TVector choice, TVector otherwise);

    /// <summary>The metric of each group in the lanes of the states that continue it.</summary>
    /// <param name="groups">The metrics of the groups.</param>
    /// <param name="register">Which register of the 256 states.</param>
    /// <param name="bits">Bits of a code: 2^bits states continue a group.</param>
    /// <param name="spread"><see cref="TrellisTable.Spread"/> or <see cref="TrellisTable.WideSpread"/>.</param>
    static abstract TVector Spread(ushort* groups, int register, int bits, byte* spread);

    /// <summary>min(metrics + the squared distance of number and level, 65535); see <see cref="TrellisSearch.Distance"/>.</summary>
    static abstract TVector AddDistance(TVector metrics, TVector number, TVector levels);

    static abstract int Smallest(TVector value);
}
