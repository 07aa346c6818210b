namespace Kvant.Kernels;

/// <summary>Widths of the vector registers that a kernel may use, in bits. Every width gives the same bytes.</summary>
internal enum SimdWidth
{
    /// <summary>One number at a time: the loops that define what the kernels do.</summary>
    Scalar = 0,

    /// <summary>128 bits: SSE, NEON.</summary>
    Bits128 = 128,

    /// <summary>256 bits: AVX2.</summary>
    Bits256 = 256,

    /// <summary>512 bits: AVX-512.</summary>
    Bits512 = 512,
}
