namespace Kvant.Gpu.Tests;

/// <summary>Tolerances of attention on a device, each with the reason for its size.</summary>
internal static class GpuTolerances
{
    /// <summary>
    /// Outputs against double precision, relative to their length. A logit of size L is a float, so a weight errs by L x 6e-8 x log2(e); here logits reach 30, so 3e-6. Sums of some thousand
    /// floats and a rotation of 256 err by as much again. A kernel that returns zeros is off by 1.
    /// </summary>
    public const double Output = 2e-5;

    /// <summary>A log-sum-exp, relative to its size or to 1: that of one logit, of which a mean is left.</summary>
    public const double LogSumExp = 5e-6;
}
