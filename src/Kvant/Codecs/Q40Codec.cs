using System.Numerics.Tensors;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>llama.cpp's q4_0: per block of 32 an fp16 scale d = x / -8 for the x of largest magnitude, then 4-bit codes
/// x / d + 8; code i shares a byte with code i + 16. 4.5 bits per number.</summary>
internal sealed class Q40Codec : GgmlBlocks
{
    private const int Half = BlockLength / 2;

    private Q40Codec(CodecSpec spec, int dimension)
        : base(spec, dimension, Fp16.Bytes + Half)
    {
    }

    public static CodecMethod Method { get; } = new("q4_0", "llama.cpp's 4-bit blocks of 32, byte for byte", [.. Settings, CommonSettings.Mean, CommonSettings.MeanBits, CommonSettings.Frame], FramedCodec.Around(CenteredCodec.Around((spec, d, _) => new Q40Codec(spec, d))));

    protected override void EncodeNumbers(ReadOnlySpan<float> numbers, Span<byte> block)
    {
        float largest = Largest(numbers);
        float scale = largest / -8, inverse = float.IsNormal(scale) ? 1 / scale : 0;
        Fp16.Write(block, scale);

        // As ggml does: add 8.5 and cut, at most 15.
        Span<byte> codes = stackalloc byte[BlockLength];
        RoundedCodes.Find<Roundings.Shifted>(numbers, 8.5f, inverse, 0, 15, codes);
        for (int i = 0; i < Half; i++)
            block[Fp16.Bytes + i] = (byte)(codes[i] | (codes[i + Half] << 4));
    }

    protected override void DecodeNumbers(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float scale = Fp16.Read(block);
        for (int i = 0; i < Half; i++)
        {
            byte pair = block[Fp16.Bytes + i];
            numbers[i] = ((pair & 15) - 8) * scale;
            numbers[i + Half] = ((pair >> 4) - 8) * scale;
        }
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        Attention.Score<GgmlNibbleRows>(prepared, blocks, scores, upcoming);

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        Attention.Accumulate<GgmlNibbleRows>(weights, blocks, 0, accumulators, upcoming);

    // The number of largest magnitude; of two that are equally large the first, as in ggml.
    private static float Largest(ReadOnlySpan<float> numbers)
    {
        float high = TensorPrimitives.Max(numbers), low = TensorPrimitives.Min(numbers);
        if (high != -low)
            return high > -low ? high : low;
        if (high == 0)
            return 0;
        int first = 0;
        while (MathF.Abs(numbers[first]) != high)
            first++;
        return numbers[first];
    }
}
