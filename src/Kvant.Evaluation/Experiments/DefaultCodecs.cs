using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Evaluation.Experiments;

/// <summary>
/// The comparison that runs when nobody asks for another: every compressing method, at sizes that can be compared with each other.
/// TurboQuant stores keys with the norm corrected and values with the unbiased scale: sums of values
/// average noise away, but not what every one of them is shortened by.
/// </summary>
internal static class DefaultCodecs
{
    private static readonly LayerSpecs[] s_chosen =
    [
        LayerSpecs.Parse("fp16"),
        LayerSpecs.Parse("q8_0"),
        LayerSpecs.Parse("q8", TurboValues(3)),
        LayerSpecs.Parse(TurboKeys(4), TurboValues(4)),
        LayerSpecs.Parse("turboquant-ip:bits=4", TurboValues(4)),
        LayerSpecs.Parse("q4_0"),
        LayerSpecs.Parse("q4_0:rotation=hadamard"),
        LayerSpecs.Parse("kivi:bits=4"),
        LayerSpecs.Parse(TurboKeys(3), TurboValues(3)),
        LayerSpecs.Parse("turboquant-ip:bits=3", TurboValues(3)),
        LayerSpecs.Parse("polar32:bits=3"),
        LayerSpecs.Parse("kivi:bits=2"),
        LayerSpecs.Parse("outlier:bits=2"),
        LayerSpecs.Parse(TurboKeys(2), TurboValues(2)),
    ];

    /// <summary>The pairs, from many bytes to few; behind them, as it is by default, every compressing method of the catalogue that stands in none.</summary>
    public static IReadOnlyList<LayerSpecs> Pairs =>
    [
        .. s_chosen,
        .. CodecCatalog.Methods.Where(m => s_chosen.All(p => p.Keys.Method != m && p.Values.Method != m)).Select(m => CodecSpec.Parse(m.Name))
            .Where(spec => spec.CreateCodec(128).BitsPerValue < 16).Select(LayerSpecs.Both),
    ];

    /// <summary>What presets are compared with when a model is evaluated and nobody asks for others.</summary>
    public static IReadOnlyList<LayerSpecs> ForModels =>
    [
        LayerSpecs.Parse("fp16"),
        LayerSpecs.Parse("q4_0:rotation=hadamard"),
        LayerSpecs.Parse("kivi:bits=2"),
        LayerSpecs.Parse(TurboKeys(4), TurboValues(4)),
        LayerSpecs.Parse(TurboKeys(3), TurboValues(3)),
        LayerSpecs.Parse(TurboKeys(2), TurboValues(2)),
    ];

    /// <summary>Everything: the pairs of this class, and the published methods as their papers have them.</summary>
    public static IReadOnlyList<LayerSpecs> All =>
    [
        LayerSpecs.Parse("fp32"),
        LayerSpecs.Parse("bf16"),
        .. Pairs,
        .. Enumerable.Range(1, 4).Select(bits => LayerSpecs.Parse($"turboquant:bits={bits},code=trellis", $"turboquant:bits={bits},code=trellis,scale=unbiased")),
        .. Enumerable.Range(2, 3).Select(bits => LayerSpecs.Parse($"turboquant:bits={bits},mean=32,meanbits=8", TurboValues(bits))),
        .. Enumerable.Range(2, 3).Select(bits => LayerSpecs.Parse($"turboquant:bits={bits},rotation=haar,scale=norm")),
        LayerSpecs.Parse("turboquant-ip:bits=4", "turboquant:bits=4,rotation=haar,scale=norm"),
        LayerSpecs.Parse("turboquant-ip:bits=3", "turboquant:bits=3,rotation=haar,scale=norm"),
    ];

    private static string TurboKeys(int bits) => $"turboquant:bits={bits},scale=corrected";

    private static string TurboValues(int bits) => $"turboquant:bits={bits},scale=unbiased";
}
