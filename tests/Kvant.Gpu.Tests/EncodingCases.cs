using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Blocks;
using Kvant.Gpu.Kernels;
using Kvant.Tests;

namespace Kvant.Gpu.Tests;

/// <summary>Rows of two heads that are encoded on a device, and the comparison with what their codecs write.</summary>
internal static class EncodingCases
{
    /// <summary>Rows with something that all share, so that means and frames have work; halves.</summary>
    public static float[] Rows(int rows, int dimension, int seed)
    {
        float[] numbers = TestRows.Gaussian(rows, dimension, seed);
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = (float)(Half)(numbers[i] + (i % dimension % 7) - 3);
        return numbers;
    }

    /// <summary>The codec of settings of <c>turboquant</c>; where it learns, for each of two heads from rows of its own.</summary>
    public static Codec[] Codecs(string settings, int dimension, bool keys, RotaryEmbedding? rotary = null)
    {
        Codec bare = CodecSpec.Parse($"turboquant:{settings}").CreateCodec(dimension, keys ? CodecRole.KeyTiles : CodecRole.ValueTiles);
        return [.. Enumerable.Range(0, 2).Select(head => bare.CalibrationRows == 0 ? bare : bare.Calibrate(
            Rows(128, dimension, seed: 50 + head), keys ? new CalibrationContext { Rotary = rotary ?? new() { Base = 10_000 } } : null))];
    }

    /// <summary>Encodes rows of two heads on a device and holds each byte to what the codec of each head writes.</summary>
    /// <param name="device">The device.</param>
    /// <param name="settings">Those of <c>turboquant</c>.</param>
    /// <param name="dimension">Numbers of a row.</param>
    /// <param name="keys">Whether they are keys.</param>
    /// <param name="rows">As many of the one head as of the other.</param>
    /// <param name="firstRow">The number of the first of each.</param>
    /// <param name="singles">Whether the window has floats of 32 bits.</param>
    /// <param name="rotary">How keys are turned.</param>
    /// <returns>Blocks that the device left to the processor, of all.</returns>
    public static (int Left, int All) AssertSameBytes(
        GpuDevice device, string settings, int dimension, bool keys, float[] rows, int firstRow = 128, bool singles = false, RotaryEmbedding? rotary = null)
    {
        Codec[] codecs = Codecs(settings, dimension, keys, rotary);
        int ofHead = rows.Length / 2, bytes = codecs[0].BytesPerBlock, blocks = ofHead / (codecs[0].RowsPerBlock * dimension);
        byte[] expected = new byte[2 * blocks * bytes], actual = new byte[expected.Length], stored = new byte[rows.Length * (singles ? 4 : 2)];
        for (int head = 0; head < 2; head++)
            codecs[head].Encode(rows.AsSpan(head * ofHead, ofHead), expected.AsSpan(head * blocks * bytes, blocks * bytes), firstRow);
        WindowRows.Store(rows, !singles, stored);
        actual.AsSpan().Fill(0xA5);
        using var coder = new BlockCoder(device);
        coder.Encode(ShapeOf(device, codecs[0], singles), codecs, stored, firstRow, actual);
        int same = expected.AsSpan().CommonPrefixLength(actual);
        Assert.True(
            same == expected.Length,
            $"{settings}, {dimension} numbers, {(keys ? "keys" : "values")}, {(singles ? "floats" : "halves")}: {expected.Zip(actual).Count(pair => pair.First != pair.Second)} bytes of {expected.Length} differ, "
            + $"the first is byte {same % bytes} of {bytes} of block {same / bytes}.");
        return (coder.LeftAlone, 2 * blocks);
    }

    /// <summary>How the device encodes; a test that it cannot fails.</summary>
    public static EncodingShape ShapeOf(GpuDevice device, Codec codec, bool singles) =>
        BlockCoder.ShapeOf(device, codec, singles) ?? throw new InvalidOperationException("There are no kernels for it.");
}
