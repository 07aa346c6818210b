using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>What llama.cpp's block formats share: blocks of 32 numbers, each with an fp16 scale, laid out byte for byte as ggml does;
/// here with an optional rotation before, as llama.cpp applies one to its quantized caches today.</summary>
internal abstract class GgmlBlocks : RotatedCodec
{
    /// <summary>Numbers that share a scale.</summary>
    protected const int BlockLength = 32;

    private readonly int _blockBytes;

    private protected GgmlBlocks(CodecSpec spec, int dimension, int blockBytes)
        : base(RotationFor(spec, dimension), 1, dimension / BlockLength * blockBytes)
    {
        _blockBytes = blockBytes;
        Attention = new GroupedAttention(BytesPerBlock, dimension, BlockLength, 0, blockBytes);
    }

    /// <summary>Attends to the rows where the scales are.</summary>
    private protected GroupedAttention Attention { get; }

    /// <inheritdoc/>
    public override int ScaleBytesPerBlock => Dimension / BlockLength * Fp16.Bytes;

    /// <summary>The settings of all of them.</summary>
    protected static IReadOnlyList<CodecSetting> Settings { get; } = [CommonSettings.Rotation("none"), CommonSettings.Seed];

    /// <summary>Encodes 32 numbers.</summary>
    protected abstract void EncodeNumbers(ReadOnlySpan<float> numbers, Span<byte> block);

    /// <summary>Decodes 32 numbers.</summary>
    protected abstract void DecodeNumbers(ReadOnlySpan<byte> block, Span<float> numbers);

    private protected override bool IsFinite(ReadOnlySpan<byte> block)
    {
        bool finite = true;
        for (int i = 0; i < block.Length; i += _blockBytes)
            finite &= AreFiniteHalves(block.Slice(i, Fp16.Bytes));
        return finite;
    }

    protected sealed override void EncodeRotated(Span<float> rows, Span<byte> blocks)
    {
        for (int i = 0; i < rows.Length / BlockLength; i++)
            EncodeNumbers(rows.Slice(i * BlockLength, BlockLength), blocks.Slice(i * _blockBytes, _blockBytes));
    }

    protected sealed override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        for (int i = 0; i < Dimension / BlockLength; i++)
            DecodeNumbers(block.Slice(i * _blockBytes, _blockBytes), rows.Slice(i * BlockLength, BlockLength));
    }

    private static Rotation RotationFor(CodecSpec spec, int dimension)
    {
        CommonSettings.RequireMultiple(dimension, BlockLength);
        return Rotation.Create(spec["rotation"], dimension, spec.Seed());
    }
}
