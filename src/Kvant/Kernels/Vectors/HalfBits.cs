using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>IEEE halves to floats by integer arithmetic, because .NET has no instruction for it: exponent and mantissa move 13 bits up, and
/// one multiplication sets the exponent right, denormals included. Infinities and NaN become numbers from 65536 on.</summary>
internal static class HalfBits
{
    /// <summary>What remains of a half that was moved up with copies of its sign: one sign, exponent, mantissa.</summary>
    public const int Mask = unchecked((int)0x8FFFE000);

    /// <summary>2^112: the distance between the biases of both exponents.</summary>
    public const float Bias = 5.192296858534828e33f;

    /// <summary>One number; the definition.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(short half) => ToUnscaled(half) * Bias;

    /// <summary>The number divided by <see cref="Bias"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToUnscaled(short half) => BitConverter.Int32BitsToSingle((half << 13) & Mask);
}
