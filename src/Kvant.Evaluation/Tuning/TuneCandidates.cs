using Kvant.Codecs;

namespace Kvant.Evaluation.Tuning;

/// <summary>The codecs that a policy is put together from when nobody names others: all have kernels of their own.</summary>
public static class TuneCandidates
{
    /// <summary>For keys.</summary>
    public static IReadOnlyList<CodecSpec> Keys => Parse(
        "turboquant:bits=2", "turboquant:bits=3", "turboquant:bits=4", "kivi:bits=2", "kivi:bits=4", "q4_0:rotation=hadamard", "q8", "fp16");

    /// <summary>For values.</summary>
    public static IReadOnlyList<CodecSpec> Values => Parse(
        "turboquant:bits=2,scale=leastsquares", "turboquant:bits=3,scale=leastsquares", "turboquant:bits=4,scale=leastsquares", "kivi:bits=2", "kivi:bits=4",
        "q4_0:rotation=hadamard", "q8", "fp16");

    /// <summary>Those that take the dimension.</summary>
    internal static CodecSpec[] For(IEnumerable<CodecSpec> specs, int dimension, CodecRole role) => [.. specs.Where(spec =>
    {
        try
        {
            spec.CreateCodec(dimension, role);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    })];

    private static CodecSpec[] Parse(params string[] specs) => [.. specs.Select(CodecSpec.Parse)];
}
