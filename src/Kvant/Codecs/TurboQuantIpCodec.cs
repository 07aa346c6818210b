using System.Numerics.Tensors;
using Kvant.Codebooks;
using Kvant.Kernels;
using Kvant.Packing;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// TurboQuant, the variant with unbiased inner products: one bit less for the codes, and of what they lose a sign sketch and its norm
/// (Zandieh et al., 2025, "TurboQuant", Algorithm 2). Right on average over seeds, but noisy; softmax pays for the noise,
/// so for attention the plain variant is better at the same bytes.
/// </summary>
/// <remarks>A row is the fp16 scale of the codes (absent at 1 bit, which has no codes), the fp16 residual norm / sqrt(d), the codes,
/// then the signs.</remarks>
internal sealed class TurboQuantIpCodec : RotatedCodec
{
    private readonly int _levelBits;
    private readonly SignSketch _sketch;
    private readonly SphereQuantizer? _quantizer;
    private readonly int _codesAt;
    private readonly int _signsAt;

    private TurboQuantIpCodec(CodecSpec spec, int dimension, int length)
        : base(
            Rotation.Create(spec["rotation"], dimension, spec.Seed()),
            1,
            CodesAt(LevelBits(spec)) + CodeBytes(dimension, LevelBits(spec)) + BitPacking.ByteCount(length, 1))
    {
        _levelBits = LevelBits(spec);
        _sketch = new SignSketch(spec["sketch"], dimension, length, spec.Seed());
        _quantizer = _levelBits == 0 ? null : new SphereQuantizer(Codebook.LloydMax(dimension, _levelBits), ScaleRule.Norm);
        _codesAt = CodesAt(_levelBits);
        _signsAt = _codesAt + CodeBytes(dimension, _levelBits);
    }

    public static CodecMethod Method { get; } = new(
        "turboquant-ip",
        "turboquant with one bit spent on a sign sketch of the residual: unbiased inner products",
        [
            CommonSettings.Bits(4, 1, 8),
            CodecSetting.Choice("sketch", "gaussian", ["gaussian", "orthogonal", "rademacher"], "the random projections"),
            CodecSetting.Number("length", 0, 0, MaxDimension, "signs per row; 0 = the dimension"),
            CommonSettings.Rotation("hadamard"),
            CommonSettings.Seed,
        ],
        (spec, dimension, _) => new TurboQuantIpCodec(spec, dimension, SketchLength(spec, dimension)))
    {
        Steps = (spec, dimension) => Rotation.Steps(spec["rotation"], dimension)
            + SignSketch.Steps(spec["sketch"], dimension, SketchLength(spec, dimension))
            + (LevelBits(spec) == 0 ? 0 : Codebook.Steps(dimension, LevelBits(spec), uniform: false)),
    };

    public override int PreparedLength => Dimension + _sketch.Length;

    public override int ScaleBytesPerBlock => _codesAt;

    private protected override bool ScalesLead => true;

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks)
    {
        for (int i = 0, at = 0; i < rows.Length; i += Dimension, at += BytesPerBlock)
            EncodeRow(rows.Slice(i, Dimension), blocks.Slice(at, BytesPerBlock));
    }

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Span<byte> signs = stackalloc byte[_sketch.Length];
        float norm = DecodeParts(block, rows, signs);
        _sketch.AddTo(signs, norm, rows);
    }

    protected override void PrepareQuery(ReadOnlySpan<float> query, ReadOnlySpan<float> inBasis, Span<float> prepared)
    {
        base.PrepareQuery(query, inBasis, prepared);
        _sketch.Project(prepared[..Dimension], prepared[Dimension..]);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        Span<float> row = stackalloc float[Dimension];
        Span<byte> signs = stackalloc byte[_sketch.Length];
        int count = blocks.Length / BytesPerBlock;
        for (int b = 0; b < count; b++)
        {
            float norm = DecodeParts(blocks.Slice(b * BytesPerBlock, BytesPerBlock), row, signs);
            for (int q = 0; q < prepared.Count; q++)
            {
                ReadOnlySpan<float> query = prepared.Query(q);
                scores[(q * count) + b] = TensorPrimitives.Dot(query[..Dimension], row) + _sketch.Estimate(query[Dimension..], signs, norm);
            }
        }
    }

    private static int SketchLength(CodecSpec spec, int dimension) => spec.Integer("length") is > 0 and int length ? length : dimension;

    // One bit per number goes to the signs; at 1 bit there are no codes, and no scale of theirs.
    private static int LevelBits(CodecSpec spec) => spec.Integer("bits") - 1;

    private static int CodesAt(int levelBits) => levelBits == 0 ? Fp16.Bytes : 2 * Fp16.Bytes;

    private static int CodeBytes(int dimension, int levelBits) => levelBits == 0 ? 0 : BitPacking.ByteCount(dimension, levelBits);

    private void EncodeRow(Span<float> row, Span<byte> block)
    {
        if (_quantizer is not null)
        {
            Span<byte> codes = stackalloc byte[Dimension];
            Span<float> levels = stackalloc float[Dimension], scale = stackalloc float[1];
            _quantizer.Encode(row, codes, scale, levels);
            BitPacking.Pack(codes, _levelBits, block[_codesAt.._signsAt]);
            // The residual is what decoding will leave, with the scale as it is stored.
            Elementwise.MultiplyAdd(levels, -Fp16.Write(block, scale[0]), row);
        }

        Fp16.Write(block[(_codesAt - Fp16.Bytes)..], MathF.Sqrt(Reductions.Dot(row, row)) / MathF.Sqrt(Dimension));
        Span<byte> signs = stackalloc byte[_sketch.Length];
        _sketch.Encode(row, signs);
        BitPacking.Pack(signs, 1, block[_signsAt..]);
    }

    // The codes as numbers, the signs of the residual's sketch, and its norm.
    private float DecodeParts(ReadOnlySpan<byte> block, Span<float> row, Span<byte> signs)
    {
        if (_quantizer is null)
        {
            row.Clear();
        }
        else
        {
            Span<byte> codes = stackalloc byte[Dimension];
            BitPacking.Unpack(block[_codesAt.._signsAt], _levelBits, codes);
            _quantizer.Decode(codes, Fp16.Read(block), row);
        }

        BitPacking.Unpack(block[_signsAt..], 1, signs);
        return Fp16.Read(block[(_codesAt - Fp16.Bytes)..]) * MathF.Sqrt(Dimension);
    }
}
