namespace Kvant.Kernels;

/// <summary>
/// The few float operations that kernels are written in, once, for registers of any width. All of them are exact or
/// correctly rounded and none fuses a multiplication with an addition in a way that shows, so that every width gives the same bits.
/// </summary>
/// <typeparam name="TVector">The register type.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : struct
{
    static abstract int Lanes { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Load(float* source);

    /// <summary>As many floats as there are, up to a register; the lanes behind them are zero and nothing behind them is read.</summary>
    static abstract TVector LoadUpTo(float* source, int count);

    static abstract void Store(TVector value, float* destination);

    static abstract TVector Broadcast(float value);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    static abstract TVector Abs(TVector a);

    /// <summary>To whole numbers, halves to the even one.</summary>
    static abstract TVector Round(TVector a);

    /// <summary>To whole numbers, towards zero.</summary>
    static abstract TVector Truncate(TVector a);

    /// <summary>All bits set in lanes where a > b.</summary>
    static abstract TVector GreaterThan(TVector a, TVector b);

    /// <summary>Lane by lane, a where the mask is set, else b.</summary>
    static abstract TVector Select(TVector mask, TVector a, TVector b);

    /// <summary>Lanes hold 32-bit integers: adds <paramref name="step"/> where the mask is set.</summary>
    static abstract TVector Count(TVector counts, TVector mask, int step);

    /// <summary>The sign bit of b moved onto the non-negative a.</summary>
    static abstract TVector CopySign(TVector a, TVector b);

    /// <summary>Lanes hold 32-bit integers: base + a, with the bits of <paramref name="flip"/> flipped where b is negative.</summary>
    static abstract TVector SignedLevel(TVector a, TVector b, int @base, int flip);

    /// <summary>From small whole numbers to 32-bit integers of which all but the lowest byte is zero.</summary>
    static abstract TVector LowBytes(TVector a);

    /// <summary>Writes the low bytes of the 32-bit integers, 0 to 255, in four registers, in order.</summary>
    static abstract void StoreBytes(TVector a, TVector b, TVector c, TVector d, byte* destination);

    /// <summary>Lanes of <paramref name="indices"/> hold 32-bit integers below <see cref="Lanes"/>: the lanes of the table that they name.</summary>
    static abstract TVector Lookup(TVector table, TVector indices);

    /// <summary>One Hadamard stage inside the register: lane i with bit h clear becomes v[i] + v[i+h], with it set v[i-h] - v[i].
    /// May fuse: a product with 1 or -1 is exact, so fusing changes no bit.</summary>
    static abstract TVector Butterfly(TVector value, int h);
}
