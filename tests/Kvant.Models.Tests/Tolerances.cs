namespace Kvant.Models.Tests;

/// <summary>Every tolerance of these tests, each with the reason for its size.</summary>
internal static class Tolerances
{
    /// <summary>Dequantized numbers against double precision, relative to the largest of the row: two or three float roundings of 6e-8 each.</summary>
    public const double Dequantized = 5e-7;

    /// <summary>Matrix products against double precision, relative to the norms of row and input: float sums over a few thousand products err by less than 1e-5, and the bar is 1e-4.</summary>
    public const double Product = 1e-4;

    /// <summary>Products of rounded vectors at two widths, relative to their own root mean square: the same integers, then some twenty float sums of 6e-8 each in
    /// another order, of summands up to ten times as large where shifts take most of a sum back.</summary>
    public const double Order = 2e-5;

    /// <summary>The mean square of what rounding adds to products, against a twelfth of a step's square: rows of weights whose mean is not zero err
    /// together, so few errors are independent. Zeros would be off by a factor of 1e8, products left in floats by 1e-3.</summary>
    public const double RoundingBand = 2;

    /// <summary>Logits against llama.cpp with weights in F32: both are float sums in different orders; the bar is 1e-3, for logits of size 1 to 30.</summary>
    public const double Logits = 1e-3;

    /// <summary>Logits against llama.cpp where it looks gates up in a table of half precision, which rounds a gate twice by up to 5e-4 of it; a few layers carry that
    /// into logits. A model without its norms behind the parts, with SiLU or with one base for all layers is off by more than 1.</summary>
    public const double LogitsOfHalfGates = 1e-2;

    /// <summary>Logits of many tokens at once against one by one: the same sums in another order, several layers deep.</summary>
    public const double Batch = 1e-4;

    /// <summary>Logits of rounded vectors against double precision, relative to their norm: a product errs by 2e-5 of its norm, three random layers of
    /// seven products add that up and magnify it to 2e-4. With 8 bits instead of 16 it would be 256 times as much.</summary>
    public const double RoundedLogits = 1e-3;

    /// <summary>A share of independent draws lies within three standard deviations of its probability in 997 of 1,000 cases; our seeds are fixed.</summary>
    public const double Sigmas = 3;

    /// <summary>Queries, keys and values of the shipped trace against our own, relative to their norm: half precision rounds each number by 2^-11 at the most and by 2.8e-4 in the mean of squares; the other program had the same weights.</summary>
    public const double Trace = 5e-4;
}
