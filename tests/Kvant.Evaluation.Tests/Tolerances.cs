namespace Kvant.Evaluation.Tests;

/// <summary>How far numbers may be off, each with its reason.</summary>
internal static class Tolerances
{
    /// <summary>Products of many tokens at once add in another order than those of one: logits differ in their last bits, by about 1e-5,
    /// and a divergence is of the order of the square. Now and then a last bit moves a code, which costs more.</summary>
    public const double SameLogits = 1e-7;
}
