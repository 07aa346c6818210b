using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Evaluation.Experiments;

/// <summary>The specs of a result, whose texts are those of all layers, for people.</summary>
internal static class ResultSpecs
{
    /// <summary>Whether layers have different codecs.</summary>
    public static bool Differ(string keys, string values) => keys.Contains('|', StringComparison.Ordinal) || values.Contains('|', StringComparison.Ordinal);

    /// <summary>Whether nothing is compressed: keys and values of all layers in 16 bits or more.</summary>
    public static bool ArePlain(string keys, string values) =>
        keys.Split('|').Concat(values.Split('|')).Select(spec => CodecSpec.Parse(spec).Method.Name).Distinct().All(method => CodecSpec.Parse(method).CreateCodec(128).BitsPerValue >= 16);

    /// <summary>Both in short; "by layer" where layers differ.</summary>
    public static string Short(string keys, string values) => Differ(keys, values)
        ? "by layer"
        : new LayerSpecs(CodecSpec.Parse(keys), CodecSpec.Parse(values)).ToString();
}
