namespace Kvant.Codecs;

/// <summary>Every method that Kvant has. Tests, the tool, benchmarks and evaluation walk this list; a new method is one line here.</summary>
public static class CodecCatalog
{
    /// <summary>The methods, in the order in which they are shown.</summary>
    public static IReadOnlyList<CodecMethod> Methods { get; } =
    [
        Fp32Codec.Method,
        Fp16Codec.Method,
        Bf16Codec.Method,
        Q8Codec.Method,
        Q80Codec.Method,
        Q40Codec.Method,
        TurboQuantCodec.Method,
        TurboQuantIpCodec.Method,
        OutlierCodec.Method,
        Polar32Codec.Method,
        KiviCodec.Method,
    ];

    /// <summary>The method of a name, or null.</summary>
    /// <param name="name">The name, as a spec writes it.</param>
    public static CodecMethod? Find(string name) => Methods.FirstOrDefault(m => m.Name == name);
}
