using Kvant.Codecs;

namespace Kvant.Evaluation.Tuning;

/// <summary>The codecs that a policy is put together from when nobody names others: all have kernels of their own.</summary>
internal static class TuneCandidates
{
    /// <summary>For keys.</summary>
    public static IReadOnlyList<CodecSpec> Keys => Trellis("", "frame=balanced");

    /// <summary>For values.</summary>
    public static IReadOnlyList<CodecSpec> Values => Trellis("scale=unbiased,", "frame=0");

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

    private static CodecSpec[] Trellis(string scale, string frame) =>
    [
        .. from bits in Enumerable.Range(1, 4)
           from mean in (string[])["mean=0", "mean=32,meanbits=4"]
           select CodecSpec.Parse($"turboquant:bits={bits},code=trellis,{scale}{mean},{frame}"),
        CodecSpec.Parse($"q8:{frame}"),
        CodecSpec.Parse("fp16"),
    ];
}
