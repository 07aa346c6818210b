namespace Kvant.Models.Kernels;

/// <summary>The few operations that the products of panels are written in, once, for registers of any width. A register is seen as 16-bit or
/// 32-bit integers or as floats, whatever the operation's name says.</summary>
/// <typeparam name="TVector">The register type, of floats.</typeparam>
internal interface IPanelSimd<TVector>
    where TVector : struct
{
    static abstract int Lanes { get; }

    static abstract TVector Load(ref float source);

    static abstract void Store(TVector value, ref float destination);

    /// <summary>32-bit integers: sum + the pairs of words times the two words at an address, which meet every pair.</summary>
    static abstract TVector AddPairs(TVector sum, TVector words, ref short pair);

    /// <summary>Floats: sum + integers * scales * factor.</summary>
    static abstract TVector AddScaled(TVector sum, TVector integers, TVector scales, float factor);

    /// <summary>Floats: sum + a * factor.</summary>
    static abstract TVector AddProduct(TVector sum, TVector a, float factor);

    static abstract TVector Add(TVector a, TVector b);

    /// <summary>Floats: sum + a * b.</summary>
    static abstract TVector AddProduct(TVector sum, TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>A 32-bit integer in every lane.</summary>
    static abstract TVector Broadcast(int number);

    static abstract TVector AddIntegers(TVector a, TVector b);

    /// <summary>16-bit integers: a - number.</summary>
    static abstract TVector Subtract(TVector words, short number);

    /// <summary>16-bit integers, shifted to the right by a constant, or to the left where it is negative, and masked.</summary>
    static abstract TVector Field(TVector words, int shift, short mask);

    static abstract TVector Or(TVector a, TVector b);

    /// <summary>Half-precision numbers, all of them finite, one for each lane, as floats.</summary>
    static abstract TVector LoadHalves(ref byte source);

    /// <summary>Signed bytes, one for each lane, as floats.</summary>
    static abstract TVector LoadUnits(ref byte source);
}
