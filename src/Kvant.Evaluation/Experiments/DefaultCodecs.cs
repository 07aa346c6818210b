using Kvant.Codecs;

namespace Kvant.Evaluation.Experiments;

/// <summary>
/// The comparison that runs when nobody asks for another: every compressing method, at sizes that can be compared with each other.
/// TurboQuant stores keys with the norm corrected and values with the unbiased scale: sums of values
/// average noise away, but not what every one of them is shortened by.
/// </summary>
internal static class DefaultCodecs
{
    private static readonly CodecPair[] s_chosen =
    [
        CodecPair.Parse("fp16"),
        CodecPair.Parse("q8_0"),
        CodecPair.Parse("q8", TurboValues(3)),
        CodecPair.Parse(TurboKeys(4), TurboValues(4)),
        CodecPair.Parse("turboquant-ip:bits=4", TurboValues(4)),
        CodecPair.Parse("q4_0"),
        CodecPair.Parse("q4_0:rotation=hadamard"),
        CodecPair.Parse("kivi:bits=4"),
        CodecPair.Parse(TurboKeys(3), TurboValues(3)),
        CodecPair.Parse("turboquant-ip:bits=3", TurboValues(3)),
        CodecPair.Parse("polar32:bits=3"),
        CodecPair.Parse("kivi:bits=2"),
        CodecPair.Parse("outlier:bits=2"),
        CodecPair.Parse(TurboKeys(2), TurboValues(2)),
    ];

    /// <summary>The pairs, from many bytes to few; behind them, as it is by default, every compressing method of the catalogue that stands in none.</summary>
    public static IReadOnlyList<CodecPair> Pairs =>
    [
        .. s_chosen,
        .. CodecCatalog.Methods.Where(m => s_chosen.All(p => p.Keys.Method != m && p.Values.Method != m)).Select(m => CodecSpec.Parse(m.Name))
            .Where(spec => spec.CreateCodec(128).BitsPerValue < 16).Select(CodecPair.Both),
    ];

    /// <summary>What presets are compared with when a model is evaluated and nobody asks for others.</summary>
    public static IReadOnlyList<CodecPair> ForModels =>
    [
        CodecPair.Parse("fp16"),
        CodecPair.Parse("q4_0:rotation=hadamard"),
        CodecPair.Parse("kivi:bits=2"),
        CodecPair.Parse(TurboKeys(4), TurboValues(4)),
        CodecPair.Parse(TurboKeys(3), TurboValues(3)),
        CodecPair.Parse(TurboKeys(2), TurboValues(2)),
    ];

    /// <summary>Everything: the pairs of this class, and the published methods as their papers have them.</summary>
    public static IReadOnlyList<CodecPair> All =>
    [
        CodecPair.Parse("fp32"),
        CodecPair.Parse("bf16"),
        .. Pairs,
        .. Enumerable.Range(1, 4).Select(bits => CodecPair.Parse($"turboquant:bits={bits},code=trellis", $"turboquant:bits={bits},code=trellis,scale=unbiased")),
        .. Enumerable.Range(2, 3).Select(bits => CodecPair.Parse($"turboquant:bits={bits},mean=32,meanbits=8", TurboValues(bits))),
        .. Enumerable.Range(2, 3).Select(bits => CodecPair.Parse($"turboquant:bits={bits},rotation=haar,scale=norm")),
        CodecPair.Parse("turboquant-ip:bits=4", "turboquant:bits=4,rotation=haar,scale=norm"),
        CodecPair.Parse("turboquant-ip:bits=3", "turboquant:bits=3,rotation=haar,scale=norm"),
    ];

    private static string TurboKeys(int bits) => $"turboquant:bits={bits},scale=corrected";

    private static string TurboValues(int bits) => $"turboquant:bits={bits},scale=unbiased";
}
