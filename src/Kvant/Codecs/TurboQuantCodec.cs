using Kvant.Codebooks;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// TurboQuant, the variant of least squared error: rotate, divide by the norm, round every coordinate to the nearest level
/// of the codebook for random unit vectors (Zandieh et al., 2025, "TurboQuant", Algorithm 1).
/// </summary>
/// <remarks>A row is its scales in fp16, one per group, then the codes without gaps. Scales are per coordinate (norm / sqrt(d)).</remarks>
internal sealed class TurboQuantCodec : RotatedCodec
{
    private readonly SphereRowCoder _coder;

    private TurboQuantCodec(Rotation rotation, SphereRowCoder coder)
        : base(rotation, 1, coder.Bytes) => _coder = coder;

    public static CodecMethod Method { get; } = new(
        "turboquant",
        "rotation, then the best scalar codebook for random unit vectors, one scale per row",
        [
            CommonSettings.Bits(4, 1, 8),
            CommonSettings.Rotation("hadamard"),
            CommonSettings.Seed,
            CommonSettings.Scale,
            CodecSetting.Choice("group", "0", ["0", "32", "64"], "numbers that share a scale; 0 = the whole row"),
            CodecSetting.Integer("search", 0, 0, 64, "scales tried per group to lower the error; 0 = the norm alone"),
            CodecSetting.Choice("code", "lloydmax", ["lloydmax", "uniform"], "levels of least squared error, or evenly spaced"),
        ],
        Create);

    public override int ScaleBytesPerBlock => _coder.ScaleBytes;

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks) => _coder.Encode(rows, blocks);

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows) => _coder.Decode(block, rows);

    private static RotatedCodec Create(CodecSpec spec, int dimension, CodecRole role)
    {
        int bits = spec.Integer("bits"), group = spec.Integer("group") == 0 ? dimension : spec.Integer("group");
        CommonSettings.RequireMultiple(dimension, group);
        Codebook codebook = spec["code"] == "uniform" ? Codebook.Uniform(group, bits) : Codebook.LloydMax(group, bits);
        Rotation rotation = RotationCatalog.Create(spec["rotation"], dimension, spec.Seed());
        var quantizer = new SphereQuantizer(codebook, CommonSettings.ScaleOf(spec), spec.Integer("search"));
        return role is CodecRole.KeyTiles or CodecRole.ValueTiles && TurboQuantTileCodec.Takes(dimension, bits)
            ? new TurboQuantTileCodec(rotation, quantizer, codebook, role == CodecRole.KeyTiles)
            : new TurboQuantCodec(rotation, new SphereRowCoder(dimension, bits, quantizer));
    }
}
