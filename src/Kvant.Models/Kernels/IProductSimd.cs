using System.Runtime.Intrinsics;
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
    /// <param name="sum">What came before.</param>
    /// <param name="codes">The codes.</param>
    /// <param name="first">The numbers that the first 16 meet.</param>
    /// <param name="last">The others.</param>
    /// <param name="factors">The factor; if the format has two for each run, that of the last 16 follows.</param>
    static abstract TVector Add<TFormat>(TVector sum, RunCodes codes, Vector256<short> first, Vector256<short> last, ref float factors)
        where TFormat : struct, ICodeFormat;

    static abstract float Sum(TVector a, TVector b);
}
