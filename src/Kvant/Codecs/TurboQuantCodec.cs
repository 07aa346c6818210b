using Kvant.Codebooks;
using Kvant.Kernels;
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
            CodecSetting.Number("search", 0, 0, 64, "scales tried per group to lower the error; 0 = the norm alone"),
            CodecSetting.Choice("code", "lloydmax", ["lloydmax", "uniform", "trellis"], "levels of least squared error, evenly spaced, or chosen as a path (1..4 bits, search=0)"),
            CommonSettings.Mean,
            CommonSettings.MeanBits,
            CommonSettings.Frame,
        ],
        FramedCodec.Around(CenteredCodec.Around(Create)))
    {
        Steps = (spec, dimension) => Rotation.Steps(spec["rotation"], dimension)
            + (spec["code"] == "trellis" ? TrellisQuantizer.Steps : Codebook.Steps(GroupLength(spec, dimension), spec.Integer("bits"), spec["code"] == "uniform")),
    };

    public override int ScaleBytesPerBlock => _coder.ScaleBytes;

    private protected override bool ScalesLead => true;

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks) => _coder.Encode(rows, blocks);

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows) => _coder.Decode(block, rows);

    private static int GroupLength(CodecSpec spec, int dimension) => spec.Integer("group") is > 0 and int group ? group : dimension;

    private static RotatedCodec Create(CodecSpec spec, int dimension, CodecRole role)
    {
        int bits = spec.Integer("bits"), group = GroupLength(spec, dimension);
        CommonSettings.RequireMultiple(dimension, group);
        Rotation rotation = Rotation.Create(spec["rotation"], dimension, spec.Seed());
        bool tiles = role is CodecRole.KeyTiles or CodecRole.ValueTiles;
        if (spec["code"] == "trellis")
        {
            if (spec.Integer("search") > 0)
                throw new ArgumentException("a search for scales does not go with the trellis code, which searches for paths.", nameof(spec));
            var path = new TrellisQuantizer(group, bits, CommonSettings.ScaleOf(spec));
            return tiles && TurboQuantTileCodec.Takes(dimension, bits, trellis: true)
                ? new TurboQuantTileCodec(rotation, path, path.CreateTileTable(), role == CodecRole.KeyTiles)
                : new TurboQuantCodec(rotation, new SphereRowCoder(dimension, path));
        }

        Codebook codebook = spec["code"] == "uniform" ? Codebook.Uniform(group, bits) : Codebook.LloydMax(group, bits);
        var quantizer = new SphereQuantizer(codebook, CommonSettings.ScaleOf(spec), spec.Integer("search"));
        return tiles && TurboQuantTileCodec.Takes(dimension, bits, trellis: false)
            ? new TurboQuantTileCodec(rotation, quantizer, new TileTable(codebook.Centroids, bits, role == CodecRole.KeyTiles), role == CodecRole.KeyTiles)
            : new TurboQuantCodec(rotation, new SphereRowCoder(dimension, quantizer));
    }
}
