using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>
/// What turns small integers inside a register into floats: (lanes shifted and masked | exponent of 2^23) counts ones as a float, minus
/// 2^23 and a bias. A logical operation and a subtraction run beside the multiplications of a kernel; conversions and permutations
/// would share a port with them.
/// </summary>
/// <typeparam name="TVector">The register type.</typeparam>
/// <param name="shifts">Where the field of each lane begins; what that means is the affair of the width.</param>
/// <param name="mask">The bits of a field.</param>
/// <param name="exponent">The bits of 2^23.</param>
/// <param name="bias">2^23 plus what is to be subtracted.</param>
internal readonly struct FieldConstants<TVector>(TVector shifts, TVector mask, TVector exponent, TVector bias)
    where TVector : struct
{
    public readonly TVector Shifts = shifts;
    public readonly TVector Mask = mask;
    public readonly TVector Exponent = exponent;
    public readonly TVector Bias = bias;

    /// <summary>The constants of a format. A call, so that the compiler takes them for variables and keeps them in registers; constants
    /// it would load anew in each round of a loop.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static FieldConstants<TVector> Of<TSimd, TFormat>()
        where TSimd : IRowSimd<TVector>
        where TFormat : IRowFormat => TFormat.FieldBits == 0 ? default : TSimd.Fields(TFormat.FieldBits, TFormat.FieldBias);
}
