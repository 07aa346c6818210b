using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>Which width the kernels use in this process.</summary>
internal static class SimdSupport
{
    /// <summary>The widest registers that this machine runs natively.</summary>
    // Avx512F.IsSupported says that the instructions exist; Vector512.IsHardwareAccelerated can be false beside it,
    // where the runtime only prefers narrower code.
    public static SimdWidth Widest { get; } =
        Avx512F.IsSupported && Avx512BW.IsSupported ? SimdWidth.Bits512
        : Vector256.IsHardwareAccelerated ? SimdWidth.Bits256
        : Vector128.IsHardwareAccelerated ? SimdWidth.Bits128
        : SimdWidth.Scalar;

    /// <summary>The instruction that multiplies bytes in this process, by which Arm's processors differ most; null where there is none.</summary>
    public static string? ByteProducts { get; } =
        Dp.IsSupported ? "SDOT"
        : AdvSimd.Arm64.IsSupported ? "SMULL"
        : Ssse3.IsSupported ? "PMADDUBSW"
        : null;

    /// <summary>The width in use. Tests set it to run every path in one process: widths that the machine lacks are then
    /// emulated by the runtime, slowly and exactly.</summary>
    internal static SimdWidth Active { get; set; } = Widest;

    /// <summary>The width in use, but none so wide that <paramref name="length"/> floats do not fill whole registers.</summary>
    internal static SimdWidth For(int length)
    {
        int width = (int)Active;
        while (width >= 128 && length % (width / 32) != 0)
            width /= 2;
        return width >= 128 ? (SimdWidth)width : SimdWidth.Scalar;
    }
}
