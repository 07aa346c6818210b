namespace Kvant.Codecs;

/// <summary>Which single number per row (or group) is stored, given the rotated row x and its code c of unit scale.</summary>
internal enum ScaleRule
{
    /// <summary>|x| / sqrt(d): the paper's.</summary>
    Norm,

    /// <summary>|x| / |c|: the decoded row has the norm of the row.</summary>
    Corrected,

    /// <summary>(x, c) / (c, c): the least squared error.</summary>
    LeastSquares,

    /// <summary>|x|^2 / (x, c): the dot product of the decoded row with the row itself is right, so scores are not shrunk.</summary>
    Unbiased,

    /// <summary>max|x| / the outermost level: no number is clipped. Only where a method says so; specs call it a norm.</summary>
    Max,
}
