namespace Kvant.Codecs;

/// <summary>The numbers that attention over compressed blocks is computed in.</summary>
public enum Arithmetic
{
    /// <summary>32-bit floats: scores and sums equal those of decoded rows up to float rounding.</summary>
    Exact,

    /// <summary>Small integers where the method has such kernels (queries and softmax weights in 8 bits): several times faster, and at most
    /// 2 % more error in the output than the codes make anyway. Methods without such kernels compute in floats.</summary>
    Fast,
}
