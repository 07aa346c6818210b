using Kvant.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Traces: all that is said about them and every head's rows.</summary>
internal static class TraceTarget
{
    internal static FuzzTarget Target { get; } = new("trace", Corpus, Read, static e => e is InvalidDataException);

    private static byte[][] Corpus()
    {
        using TemporaryFolder folder = new();
        return [Write(folder, 0, ElementType.F16), Write(folder, 4, ElementType.F32)];
    }

    private static byte[] Write(TemporaryFolder folder, int queryHeads, ElementType type)
    {
        string path = folder.File("written");
        var metadata = new Dictionary<string, string> { ["softmax_scale"] = "0.5" };
        using (TraceWriter writer = TraceWriter.Create(path, new() { Layers = 2, KvHeads = 2, KeyDimension = 4, ValueDimension = 2 }, 3, queryHeads, type, metadata))
        {
            for (int layer = 0; layer < 2; layer++)
            {
                for (int head = 0; head < 2; head++)
                    writer.WriteKeys(layer, head, new float[12]);
                for (int head = 0; head < 2; head++)
                    writer.WriteValues(layer, head, new float[6]);
                for (int head = 0; head < queryHeads; head++)
                    writer.WriteQueries(layer, head, new float[12]);
            }

            writer.Commit();
        }

        return File.ReadAllBytes(path);
    }

    private static void Read(FuzzInput input)
    {
        using Trace trace = Trace.Open(input.Path);
        // Tensors lie in the file and do not overlap: what is read here is no longer than it.
        float[] keys = new float[trace.Tokens * trace.KeyDimension], values = new float[trace.Tokens * trace.ValueDimension];
        for (int layer = 0; layer < trace.Layers; layer++)
        {
            for (int head = 0; head < trace.KvHeads; head++)
            {
                trace.ReadKeys(layer, head, keys);
                trace.ReadValues(layer, head, values);
            }

            for (int head = 0; head < trace.QueryHeads; head++)
                trace.ReadQueries(layer, head, keys);
        }
    }
}
