using System.Numerics.Tensors;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>llama.cpp's q8_0: per block of 32 an fp16 scale d = max|x| / 127, then 32 signed bytes round(x / d). 8.5 bits per number.</summary>
internal sealed class Q80Codec : GgmlBlocks
{
    private Q80Codec(CodecSpec spec, int dimension)
        : base(spec, dimension, Fp16.Bytes + BlockLength)
    {
    }

    public static CodecMethod Method { get; } = new("q8_0", "llama.cpp's 8-bit blocks of 32, byte for byte", [.. Settings, CommonSettings.Frame], FramedCodec.Around((spec, d, _) => new Q80Codec(spec, d)));

    protected override void EncodeNumbers(ReadOnlySpan<float> numbers, Span<byte> block)
    {
        // As ggml does: codes come from the scale before it is rounded to fp16, and halves round away from zero.
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(numbers)) / 127, inverse = float.IsNormal(scale) ? 1 / scale : 0;
        Fp16.Write(block, scale);
        RoundedCodes.Find<Roundings.Product>(numbers, 0, inverse, -127, 127, block[Fp16.Bytes..]);
    }

    protected override void DecodeNumbers(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float scale = Fp16.Read(block);
        for (int i = 0; i < BlockLength; i++)
            numbers[i] = (sbyte)block[Fp16.Bytes + i] * scale;
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        Attention.Score<GgmlByteRows>(prepared, blocks, scores, upcoming);

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        Attention.Accumulate<GgmlByteRows>(weights, blocks, 0, accumulators, upcoming);
}
