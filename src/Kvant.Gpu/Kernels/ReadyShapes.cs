using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Drivers;

namespace Kvant.Gpu.Kernels;

/// <summary>For which codecs, rows and queries kernels come compiled with the package (<see cref="ReadyKernels"/>).</summary>
internal static class ReadyShapes
{
    /// <summary>In words.</summary>
    public const string InWords = "the presets, fp16 and turboquant:bits=4 (values with scale=unbiased or without), rows of 64 and 128 numbers, windows of fp16 and fp32";

    // The most queries that one kernel takes; larger groups go in parts.
    private const int MostGroup = 16;

    private static readonly int[] s_dimensions = [64, 128];

    private static readonly CodecSpec s_fp16 = CodecSpec.Parse("fp16"), s_fp32 = CodecSpec.Parse("fp32"), s_levels = CodecSpec.Parse("turboquant:bits=4");

    private static readonly (CodecSpec Keys, CodecSpec Values)[] s_pairs =
    [
        .. CachePreset.All.Select(preset => (preset.Keys, preset.Values)),
        (s_fp16, s_fp16),
        (s_levels, s_levels), // an unbiased scale is read alike
    ];

    private static readonly CodecSpec[] s_values = [.. s_pairs.Select(pair => pair.Values), CodecSpec.Parse("turboquant:bits=4,scale=unbiased")];

    /// <summary>All: kernels and their macros.</summary>
    public static IEnumerable<(KernelSource Source, string Macros)> All() =>
        s_dimensions.SelectMany(Attending).SelectMany(Asked).Select(shape => (shape.Source, shape.Macros))
            .Concat(s_dimensions.SelectMany(Encoding).Select(shape => (KernelSource.OfEncoding, shape.Macros)))
            .Distinct();

    private static IEnumerable<KernelShape> Attending(int d)
    {
        foreach (CodecSpec window in (CodecSpec[])[s_fp16, s_fp32])
            yield return new(Side(window, d, true), Side(window, d, false), 1, 0, false);
        foreach ((CodecSpec keys, CodecSpec values) in s_pairs)
        {
            Codec bare = keys.CreateCodec(d, CodecRole.KeyTiles);
            int rows = Math.Max(bare.RowsPerBlock, values.CreateCodec(d, CodecRole.ValueTiles).RowsPerBlock);
            foreach (Codec codec in Learnt(bare))
                yield return new(SideShape.Of(codec, true, "Keys"), Side(values, d, false), rows, codec.Form!.Turning?.Count ?? 0, true);
        }
    }

    private static IEnumerable<KernelShape> Asked(KernelShape shape) =>
        Enumerable.Range(1, MostGroup).SelectMany(group => (KernelShape[])[shape.For(group, 1), shape.For(group, 2)]).Concat(shape.FitsTensors ? [shape.ForTensors(1)] : []);

    private static IEnumerable<EncodingShape> Encoding(int d)
    {
        foreach (bool singles in (bool[])[false, true])
        {
            foreach (Codec codec in s_pairs.SelectMany(pair => Learnt(pair.Keys.CreateCodec(d, CodecRole.KeyTiles))).Concat(s_values.Select(values => values.CreateCodec(d, CodecRole.ValueTiles))))
            {
                if (EncodingShape.Of(codec, singles) is { } shape)
                    yield return shape;
            }
        }
    }

    // What learns has kernels for heads that positions turn, both ways, and for those that they do not.
    private static IEnumerable<Codec> Learnt(Codec codec)
    {
        if (codec.CalibrationRows == 0)
            return [codec];
        float[] rows = [.. Enumerable.Range(0, codec.CalibrationRows * codec.Dimension).Select(i => 1f + (i % 7))];
        return ((RotaryEmbedding?[])[null, new() { Pairs = RotaryPairs.Halves }, new() { Pairs = RotaryPairs.Neighbors }])
            .Select(rotary => codec.Calibrate(rows, new CalibrationContext { Rotary = rotary }));
    }

    private static SideShape Side(CodecSpec spec, int d, bool keys) => SideShape.Of(spec.CreateCodec(d, keys ? CodecRole.KeyTiles : CodecRole.ValueTiles), keys, "Rows");
}
