using Kvant.Codebooks;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// PolarQuant in blocks of 32 numbers with every block on the full codebook ("outlier" blocks): one pattern of random
/// signs, one Hadamard transform of 32, then per block a scale and codes. An outlier costs only its own block.
/// </summary>
/// <remarks>A row is the fp16 scale of each block, then the codes of the whole row. The scale is per coordinate; with
/// <c>norm=max</c> it puts the largest number of the block on the outermost level.</remarks>
internal sealed class Polar32Codec : RotatedCodec
{
    private const int BlockLength = 32;

    private readonly SphereRowCoder _coder;

    private Polar32Codec(Rotation rotation, SphereRowCoder coder)
        : base(rotation, 1, coder.Bytes) => _coder = coder;

    public static CodecMethod Method { get; } = new(
        "polar32",
        "blocks of 32: signs, Hadamard, one scale per block",
        [
            CommonSettings.Bits(3, 1, 8),
            CodecSetting.Choice("norm", "l2", ["max", "l2"], "the block's scale: from its largest number or its norm"),
            CommonSettings.Seed,
        ],
        (spec, dimension, _) => Create(spec, dimension))
    {
        Steps = (spec, _) => HadamardRotation.Steps(BlockLength) + Codebook.Steps(BlockLength, spec.Integer("bits"), uniform: false),
    };

    public override int ScaleBytesPerBlock => _coder.ScaleBytes;

    private protected override bool ScalesLead => true;

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks) => _coder.Encode(rows, blocks);

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows) => _coder.Decode(block, rows);

    private static Polar32Codec Create(CodecSpec spec, int dimension)
    {
        CommonSettings.RequireMultiple(dimension, BlockLength);
        int bits = spec.Integer("bits");
        ScaleRule rule = spec["norm"] == "max" ? ScaleRule.Max : ScaleRule.Norm;
        return new Polar32Codec(
            new BlockRotation(new HadamardRotation(BlockLength, spec.Seed(), rounds: 1), dimension),
            new SphereRowCoder(dimension, new SphereQuantizer(Codebook.LloydMax(BlockLength, bits), rule)));
    }
}
