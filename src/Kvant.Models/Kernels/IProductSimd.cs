using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>The few operations that the products of codes are written in, once, for registers of any width. Products of integers are exact
/// and so is their sum over a run; only then come floats.</summary>
/// <typeparam name="TVector">The register type, of floats.</typeparam>
internal interface IProductSimd<TVector>
    where TVector : struct
{
    static abstract TVector Zero { get; }

    /// <summary>sum + factor * (the codes of a run times 32 rounded numbers): what is added up in the end is the sum of all lanes.</summary>
    static abstract TVector Add<TFormat>(TVector sum, ref byte blocks, int run, ref short numbers, float factor)
        where TFormat : struct, ICodeFormat;

    /// <summary>The same with a factor of its own for the last 16.</summary>
    static abstract TVector Add<TFormat>(TVector sum, ref byte blocks, int run, ref short numbers, float factor, float lastFactor)
        where TFormat : struct, ICodeFormat;

    static abstract float Sum(TVector a, TVector b);
}
