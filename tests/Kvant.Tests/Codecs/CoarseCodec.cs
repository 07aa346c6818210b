using System.Globalization;
using System.Numerics.Tensors;
using Kvant.Codecs;

namespace Kvant.Tests.Codecs;

/// <summary>A codec that Kvant does not know, made from what is public: integers over one largest number, for a row or for four. Every law walks it like those that ship.</summary>
internal sealed class CoarseCodec(int dimension, int rows, int bits) : Codec(dimension, rows, bytesPerBlock: sizeof(float) + (rows * dimension))
{
    private readonly int _steps = (1 << (bits - 1)) - 1;

    public static CodecMethod Method { get; } = new(
        "test-coarse",
        "integers in bytes, one scale for all",
        [CodecSetting.Number("bits", 5, 3, 8, "bits of an integer that are used"), CodecSetting.Choice("rows", "1", ["1", "4"], "rows of a scale")],
        (spec, dimension, _) => new CoarseCodec(dimension, int.Parse(spec["rows"], CultureInfo.InvariantCulture), int.Parse(spec["bits"], CultureInfo.InvariantCulture)));

    public override int ScaleBytesPerBlock => sizeof(float);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / _steps;
        if (!float.IsFinite(scale * _steps))
            throw new ArgumentException("the largest number does not fit.");
        BitConverter.TryWriteBytes(block, scale);
        for (int i = 0; i < rows.Length; i++)
            block[sizeof(float) + i] = (byte)(sbyte)(scale == 0 ? 0 : Math.Clamp(MathF.Round(rows[i] / scale), -_steps, _steps));
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        float scale = BitConverter.ToSingle(block);
        for (int i = 0; i < rows.Length; i++)
            rows[i] = scale * (sbyte)block[sizeof(float) + i];
    }
}
