namespace Kvant.Tests;

/// <summary>Every tolerance of these tests, each with the reason for its size.</summary>
internal static class Tolerances
{
    /// <summary>Scores and sums against decode-then-dot, relative to the norms: a few hundred float roundings of 6e-8 stay below 1e-5, and design rule 8 grants 1e-4.</summary>
    public const double Attention = 1e-4;

    /// <summary>Error after many cuts against that of a cache that was never cut: rows that are left keep their codes; a mean that a block keeps for
    /// them is that of other rows, which costs up to 3 % in the block.</summary>
    public const double Cuts = 1.02;

    /// <summary>The same where tokens share the range of a channel: a new token outside of it asks for another, and those that are left are rounded once more.</summary>
    public const double CutsOfSharedRanges = 1.1;

    /// <summary>The same against what came back from the cut blocks, where refused rows lacked the mean of the others: where a new mean is nearer to all rows, what is left is rounded once more (1.03 to 1.04). Half of the least that encoding all blocks anew gives: 1.10 to 1.34.</summary>
    public const double CutsOfSharedMeans = 1.05;

    /// <summary>Float sums of up to 256 products against double precision, relative to the sum of the magnitudes: each of some 50 additions in a lane rounds by 6e-8.</summary>
    public const double FloatSum = 1e-5;

    /// <summary>Decoded rows against the double-precision reference, relative to the row: float rotations of up to 256 numbers err by some 1e-6.</summary>
    public const double DecodedRow = 1e-5;

    /// <summary>How near (in standard deviations) a number may lie to a threshold before float and double may choose different codes: the float rotation errs by some 1e-6.</summary>
    public const double NearThreshold = 1e-5;

    /// <summary>A float scale may round to the neighboring fp16 number if its double value lies this near (relative) to the middle: a float sum of 256 squares errs by some 1e-6.</summary>
    public const double ScaleRounding = 4e-6;

    /// <summary>Codebooks against codebooks: two solvers that both stop below 1e-9 must agree far better than a float can show.</summary>
    public const double Codebook = 1e-6;

    /// <summary>Measured error against the optimum of the exact density: 4,096 vectors estimate it to 0.3 %, a wrong codebook or one code lost in a hundred costs more than 2 %.</summary>
    public const double Theory = 0.02;

    /// <summary>Scale rules other than the norm, against their own published values of three digits.</summary>
    public const double ScaleRule = 0.03;

    /// <summary>The paper's inner-product distortion: 51,200 correlated pairs estimate it to about 2 %.</summary>
    public const double InnerProductDistortion = 0.05;

    /// <summary>A mean of independent seeds lies within three standard errors of the truth in 997 of 1,000 cases; our seeds are fixed.</summary>
    public const double Sigmas = 3;

    /// <summary>The largest of 80 independent means: beyond three standard errors in every fifth run of such tests, beyond four in one of 200.</summary>
    public const double SigmasOfManyPairs = 4;

    /// <summary>Error of scaled rows against what the codes lose plus the squared rounding of the fp16 scale: their product, which is 0 in the mean, stays below 0.3 % over 512 rows up to 8 bits.</summary>
    public const double Rescaled = 0.01;

    /// <summary>One-hot rows at 3 bits: random rows give .034; three rounds of Hadamard leave them within a few percent of that for every seed, two leave .02 to .10 by the seed, one leaves .061.</summary>
    public const double OneHotAtThreeBits = 0.040;

    /// <summary>Rounding a number to fp16 moves it by at most half of 2^-10 of itself.</summary>
    public const double HalfPrecision = 1.0 / 2048;

    /// <summary>Orthogonality of float rotations: 256 float roundings, as methods.md asks.</summary>
    public const double Orthogonality = 1e-6;

    /// <summary>Mean over 400 rotations of a few nearly parallel rows of 16 numbers: their errors scatter by 40 % each, so the mean by 2 to 3 %, times three.</summary>
    public const double NearlyParallelRows = 0.08;

    /// <summary>What integer arithmetic may add to the error that the codes make: the budget of rule 8. At 4 bits 64 levels of query and weight cost about 1 % each.</summary>
    public const double IntegerArithmetic = 0.02;

    /// <summary>Values that are all alike, weighted in integers, against floats: weights add up to 1e-6; what is left are levels in steps of 1/84 (1/43 at two bits), in four ways.</summary>
    public const double SumOfWeights = 1e-3;

    /// <summary>The same integers summed up to floats at two widths: a few float roundings of 6e-8.</summary>
    public const double SameIntegers = 2e-6;

    /// <summary>A log-sum-exp of float scores, relative to its size or to 1: the scores' own 1e-4 of rule 8, of which a mean is left.</summary>
    public const double LogSumExp = 1e-4;

    /// <summary>Integer arithmetic over the same rows in other orders: a weight that lies at the middle between two of 127 steps may fall to either side.</summary>
    public const double FastOrder = 2e-3;

    /// <summary>A weight of the softmax, relative: its polynomial errs by 1e-7, the power of two is of a float of up to 100 whose last bit is worth 8e-6.</summary>
    public const double Exponential = 1e-5;

    /// <summary>Errors of paths found in 16-bit integers from half a row around its beginning, against paths in double precision from the whole row: the shortest rows differ by 1 %.</summary>
    public const double TrellisSearch = 0.02;

    /// <summary>A divergence averaged over 144 queries that scatter by a third, against its published value.</summary>
    public const double Divergence = 0.1;

    /// <summary>Attention outputs with and without a vector that all keys share, relative: scores of up to 1,000 round by 6e-8 of that, and a weight by as much; integers may cross a step.</summary>
    public const double CommonVector = 1e-3;

    /// <summary>Numbers that a page of the documentation gives with three digits, on data of fixed seeds; math libraries differ in the last bit of a sine.</summary>
    public const double PageNumber = 0.01;

    /// <summary>What a stored mean of 30 times a row's length may add to the error: its int8 numbers are off by 30 x 3 / 127 / sqrt(12) of a row's, squared .04; the mean of a head's first 128 rows is off by 1/128.</summary>
    public const double StoredMean = 0.06;
}
