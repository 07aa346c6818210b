namespace Kvant.Evaluation.Tests;

/// <summary>How far numbers may be off, each with its reason.</summary>
internal static class Tolerances
{
    /// <summary>Products of many tokens at once add in another order than those of one: logits differ in their last bits, by about 1e-5,
    /// and a divergence is of the order of the square. Now and then a last bit moves a code, which costs more.</summary>
    public const double SameLogits = 1e-7;

    /// <summary>The same with attention in integers: a last bit may round a weight the other way, which is a part of what integers are granted, 2 % of the error of the codes. A divergence is of the order of the
    /// square, .0004 of what the codes lose, and at 2 bits the worst of these tokens loses more than .01.</summary>
    public const double SameLogitsInIntegers = 4e-6;
}
