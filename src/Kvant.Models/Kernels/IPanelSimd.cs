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
}
