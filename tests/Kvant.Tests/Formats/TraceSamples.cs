using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

/// <summary>Small traces of seeded noise.</summary>
internal static class TraceSamples
{
    internal static CacheGeometry Geometry(int layers = 2, int kvHeads = 2, int keyDimension = 8, int valueDimension = 4) =>
        new() { Layers = layers, KvHeads = kvHeads, KeyDimension = keyDimension, ValueDimension = valueDimension };

    /// <summary>The rows of one head: numbers that half precision holds exactly, other ones for every head.</summary>
    internal static float[] Rows(int layer, HeadKind kind, int head, int tokens, int dimension)
    {
        Random random = new((layer * 1000) + ((int)kind * 100) + head);
        return [.. Enumerable.Range(0, tokens * dimension).Select(_ => (float)(Half)((random.NextSingle() * 4) - 2))];
    }

    internal static string Write(string path, CacheGeometry geometry, int tokens, int queryHeads = 0, ElementType type = ElementType.F16, Dictionary<string, string>? metadata = null)
    {
        using TraceWriter writer = TraceWriter.Create(path, geometry, tokens, queryHeads, type, metadata);
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            for (int head = 0; head < geometry.KvHeads; head++) writer.WriteKeys(layer, head, Rows(layer, HeadKind.Key, head, tokens, geometry.KeyDimension));
            for (int head = 0; head < geometry.KvHeads; head++) writer.WriteValues(layer, head, Rows(layer, HeadKind.Value, head, tokens, geometry.ValueDimension));
            for (int head = 0; head < queryHeads; head++) writer.WriteQueries(layer, head, Rows(layer, HeadKind.Query, head, tokens, geometry.KeyDimension));
        }
        writer.Commit();
        return path;
    }

    /// <summary>The trace that ships, found from the folder of the tests upwards.</summary>
    internal static string Mini
    {
        get
        {
            for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                string path = Path.Combine(folder.FullName, "samples", "data", "mini-trace.safetensors");
                if (File.Exists(path)) return path;
            }
            throw new FileNotFoundException("samples/data/mini-trace.safetensors is in no folder above the tests");
        }
    }
}
