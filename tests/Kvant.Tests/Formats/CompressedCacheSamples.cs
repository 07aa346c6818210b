using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

/// <summary>Compressed caches of the seeded noise of <see cref="TraceSamples"/>.</summary>
internal static class CompressedCacheSamples
{
    /// <summary>Two layers with other codecs each.</summary>
    internal static LayerPolicy Mixed { get; } = new([Specs("fp32", "fp16"), Specs("fp16", "fp32")]);

    internal static LayerSpecs Specs(string keys, string values) => new(CodecSpec.Parse(keys), CodecSpec.Parse(values));

    internal static CompressedCacheLayout Layout(CacheGeometry geometry, int tokens, LayerPolicy policy, int queryHeads = 0) =>
        new() { Geometry = geometry, Tokens = tokens, Policy = policy, QueryHeads = queryHeads, SourceMetadata = new Dictionary<string, string> { ["model"] = "noise" } };

    internal static string Write(string path, CompressedCacheLayout layout)
    {
        using CompressedCacheWriter writer = CompressedCacheWriter.Create(path, layout);
        CacheGeometry geometry = layout.Geometry;
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            for (int head = 0; head < geometry.KvHeads; head++) writer.WriteKeys(layer, head, TraceSamples.Rows(layer, HeadKind.Key, head, layout.Tokens, geometry.KeyDimension));
            for (int head = 0; head < geometry.KvHeads; head++) writer.WriteValues(layer, head, TraceSamples.Rows(layer, HeadKind.Value, head, layout.Tokens, geometry.ValueDimension));
            for (int head = 0; head < layout.QueryHeads; head++) writer.WriteQueries(layer, head, TraceSamples.Rows(layer, HeadKind.Query, head, layout.Tokens, geometry.KeyDimension));
        }
        writer.Commit();
        return path;
    }

    internal static void ReadAll(string path)
    {
        using CompressedCacheFile file = CompressedCacheFile.Open(path);
        CacheGeometry geometry = file.Layout.Geometry;
        float[] keys = new float[file.Layout.Tokens * geometry.KeyDimension];
        float[] values = new float[file.Layout.Tokens * geometry.ValueDimension];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            for (int head = 0; head < geometry.KvHeads; head++)
            {
                file.ReadKeys(layer, head, keys);
                file.ReadValues(layer, head, values);
            }
            for (int head = 0; head < file.Layout.QueryHeads; head++) file.ReadQueries(layer, head, keys);
        }
    }
}
