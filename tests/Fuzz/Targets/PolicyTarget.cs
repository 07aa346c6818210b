using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Policy files: what is read can be written and read again.</summary>
internal static class PolicyTarget
{
    internal static FuzzTarget Target { get; } = new("policy", Corpus, Read, static e => e is InvalidDataException)
    {
        // Codecs are made, to know that they take the dimensions; a hostile dimension is 4096 at most.
        AllocatedAtMost = 32 << 20,
    };

    private static byte[][] Corpus()
    {
        using TemporaryFolder folder = new();
        CachePolicy policy = new()
        {
            Geometry = new() { Layers = 2, KvHeads = 2, QueryHeads = 4, KeyDimension = 32, ValueDimension = 16 },
            Layers = new LayerPolicy([new(CodecSpec.Parse("q8"), CodecSpec.Parse("turboquant:bits=3,seed=9")), new(CodecSpec.Parse("fp16"), CodecSpec.Parse("kivi:bits=2,group=16"))]),
            Sinks = 3,
            Window = 32,
            SourceHash = new string('a', 64),
            Notes = new Dictionary<string, string> { ["median_divergence"] = "0.0001" },
        };
        CacheGeometry mixed = policy.Geometry.WithLayers((layer, shape) => layer == 0 ? shape with { SlidingWindow = 100 } : shape with { KvHeads = 1, KeyDimension = 48, ValuesInKeys = true });
        return [Save(policy), Save(policy with { Geometry = mixed })];

        byte[] Save(CachePolicy written)
        {
            CachePolicyFile.Save(folder.File("written"), written);
            return File.ReadAllBytes(folder.File("written"));
        }
    }

    private static void Read(FuzzInput input)
    {
        CachePolicy policy = CachePolicyFile.Load(input.Path);
        Assert.Equal(policy.Geometry.Layers, policy.Layers.Count);
        Assert.Equal(policy.Geometry, policy.CreateOptions().Geometry);
    }
}
