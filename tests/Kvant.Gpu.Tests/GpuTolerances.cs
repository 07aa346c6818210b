namespace Kvant.Gpu.Tests;

/// <summary>Tolerances of attention on a device, each with the reason for its size.</summary>
internal static class GpuTolerances
{
    /// <summary>
    /// Outputs against double precision, relative to their length. A logit of size L is a float, so a weight errs by L x 6e-8 x log2(e); here logits reach 30, so 3e-6. Sums of some thousand
    /// floats and a rotation of 256 err by as much again. A kernel that returns zeros is off by 1.
    /// </summary>
    public const double Output = 2e-5;

    /// <summary>
    /// The same on matrix units, where queries, rows and weights are rounded to halves: by 2^-11 of each number at most, by 1.7e-4 in the root of the mean square. A logit of 64 products of 1 errs by
    /// 1.7e-4 x sqrt(2 x 64), times the scale of 1/8 by 2.4e-4, and its weight by as much; logits reach 4 times that here. Values and weights add 2.4e-4.
    /// </summary>
    public const double Tensors = 2e-3;
}
