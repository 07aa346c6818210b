using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>
/// What attention over rows needs beside <see cref="ISimd{TVector}"/>: products that may fuse, and stored numbers as floats.
/// Not for the encode path, whose bytes must not depend on the machine.
/// </summary>
/// <typeparam name="TVector">The register type.</typeparam>
internal unsafe interface IRowSimd<TVector> : ISimd<TVector>
    where TVector : struct
{
    /// <summary>a * b + c, in one rounding where the machine can.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>As many IEEE halves as there are lanes; denormals are right, infinities and NaN become some number.</summary>
    static abstract TVector Halves(byte* source);

    /// <summary>The same divided by <see cref="HalfBits.Bias"/>.</summary>
    static abstract TVector UnscaledHalves(byte* source);

    /// <summary>As many bfloat16 numbers as there are lanes.</summary>
    static abstract TVector BrainFloats(byte* source);

    /// <summary>As many signed bytes as there are lanes.</summary>
    static abstract TVector SignedBytes(byte* source);

    /// <summary>What the next three need for fields of 4 or 2 bits.</summary>
    /// <param name="bits">4 or 2.</param>
    /// <param name="bias">What is subtracted from each number.</param>
    static abstract FieldConstants<TVector> Fields(int bits, int bias);

    /// <summary>Of as many bytes as there are lanes, the lower or the upper four bits.</summary>
    static abstract TVector Nibbles(byte* source, bool upper, FieldConstants<TVector> constants);

    /// <summary>As many numbers of 4 bits, side by side from the lowest bit on, as there are lanes.</summary>
    static abstract TVector Fields4(byte* source, FieldConstants<TVector> constants);

    /// <summary>As many numbers of 2 bits, side by side from the lowest bit on, as there are lanes.</summary>
    static abstract TVector Fields2(byte* source, FieldConstants<TVector> constants);

    /// <summary>Pairs of IEEE halves, one pair per lane: the first and the second of each.</summary>
    static abstract (TVector First, TVector Second) HalfPairs(byte* source);

    /// <summary>The lanes from the last to the first.</summary>
    static abstract TVector Reverse(TVector a);

    /// <summary>The sum over the lanes of each of four registers.</summary>
    static abstract Vector128<float> Sums(TVector a, TVector b, TVector c, TVector d);
}
