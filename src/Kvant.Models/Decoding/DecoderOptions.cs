using Kvant.Codecs;

namespace Kvant.Models.Decoding;

/// <summary>How a decoder works.</summary>
public sealed record DecoderOptions
{
    /// <summary>How many threads multiply matrices at once, the caller's own among them: 1 or more.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>How weights that are stored in small integers meet vectors: in floats, which is the definition, or in integers, with vectors rounded to
    /// 16 bits, which is faster. Exact unless said.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Exact;

    /// <summary>How many tokens go through the layers together when many are given at once: 1 or more. Buffers grow with it.</summary>
    public int Batch { get; init; } = 64;

    /// <summary>Whether tokens are read behind the context that the model was trained on, where it gets worse and worse. Refused unless said.</summary>
    public bool BeyondContext { get; init; }
}
