using System.Text;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class CachePolicyFileTests : IDisposable
{
    private static readonly CachePolicy s_policy = new()
    {
        Geometry = new CacheGeometry { Layers = 2, KvHeads = 2, QueryHeads = 4, KeyDimension = 64, ValueDimension = 128 },
        Layers = new LayerPolicy([new(CodecSpec.Parse("q8"), CodecSpec.Parse("turboquant:bits=3,seed=9")), new(CodecSpec.Parse("fp16"), CodecSpec.Parse("kivi:bits=2"))]),
        Sinks = 3,
        Window = 32,
        SourceHash = new string('a', 64),
        Notes = new Dictionary<string, string> { ["median_divergence"] = "0.0001" },
    };

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvant-policy-{Guid.NewGuid():N}.json");

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void PolicySurvivesTheRoundTrip()
    {
        CachePolicyFile.Save(_path, s_policy);
        CachePolicy again = CachePolicyFile.Load(_path);
        Assert.Equal(s_policy.Layers, again.Layers);
        Assert.Equal((s_policy.Geometry, s_policy.Sinks, s_policy.Window, s_policy.SourceHash), (again.Geometry, again.Sinks, again.Window, again.SourceHash));
        Assert.Equal(s_policy.Notes, again.Notes);
        using var cache = new KvCache(again.CreateOptions());
        Assert.Equal(3, cache.Options.Sinks);
    }

    [Fact]
    public void StepsByAgeSurviveTheRoundTrip()
    {
        CachePolicy policy = s_policy with { Layers = new LayerPolicy([LayerSpecs.FromText("q8; 512: q4_0; 2048: turboquant:bits=2 / q4_0"), s_policy.Layers[1]]) };
        CachePolicyFile.Save(_path, policy);
        Assert.Equal(policy.Layers, CachePolicyFile.Load(_path).Layers);
        string text = File.ReadAllText(_path);
        Assert.Contains("\"version\": 2", text);

        // What reads version 1 alone must not take it for a policy without steps.
        CachePolicyFile.Save(_path, s_policy);
        Assert.Contains("\"version\": 1", File.ReadAllText(_path));
        File.WriteAllText(_path, text.Replace("\"age\": 2048", "\"age\": 512"));
        Assert.Contains("512 follows 512", Assert.Throws<InvalidDataException>(() => CachePolicyFile.Load(_path)).Message);
    }

    // A windowed layer, one of other heads and dimensions, one that reads its rows, a latent one.
    private static CachePolicy Mixed() => s_policy with
    {
        Geometry = (s_policy.Geometry with { Layers = 4 }).WithLayers((layer, shape) => layer switch
        {
            0 => shape with { SlidingWindow = 512 },
            3 => shape with { KvHeads = 1, QueryHeads = 16, KeyDimension = 80, ValueDimension = 32, ValuesInKeys = true },
            _ => shape with { KvHeads = 3, QueryHeads = 3 * layer, KeyDimension = 96, SharedLayer = layer == 2 ? 1 : null },
        }),
        Layers = new LayerPolicy([.. s_policy.Layers, .. s_policy.Layers]),
    };

    [Fact]
    public void PolicyOfLayersThatDifferSurvivesTheRoundTrip()
    {
        CachePolicyFile.Save(_path, Mixed());
        CachePolicy again = CachePolicyFile.Load(_path);
        Assert.Equal(Mixed().Geometry, again.Geometry);
        Assert.Equal(Mixed().Layers, again.Layers);
        using var cache = new KvCache(again.CreateOptions());
        Assert.Equal(512, cache.Geometry[0].SlidingWindow);

        // What is stored counts, not who looks at it.
        Assert.True(again.Geometry.StoresLike(Mixed().Geometry.WithLayers((layer, shape) => shape with { SlidingWindow = layer, QueryHeads = 2 * shape.KvHeads })));
        Assert.False(again.Geometry.StoresLike(Mixed().Geometry.WithLayers((layer, shape) => layer == 0 ? shape with { KeyDimension = 32 } : shape)));
        Assert.False(again.Geometry.StoresLike(Mixed().Geometry with { Layers = 3 }));
        Assert.Contains("eviction", Assert.Throws<ArgumentException>(() => CachePolicyFile.Save(_path, s_policy with { Layers = new([.. s_policy.Layers.Select(l => l with { Eviction = Eviction.None })]) })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"shared_layer\": 1", "\"shared_layer\": 3", "must come before")]
    [InlineData("\"shared_layer\": 1", "\"shared_layer\": 0", "another shape")]
    [InlineData("\"sliding_window\": 512", "\"sliding_window\": -1", "whole number")]
    [InlineData("\"sliding_window\": 512", "\"sliding_window\": 1e9", "whole number")]
    [InlineData("\"key_dimension\": 80", "\"key_dimension\": 20", "not part of keys")]
    [InlineData("\"key_dimension\": 80", "\"key_dimension\": 1048576", "1 to 4096")]
    [InlineData("\"key_dimension\": 96", "\"key_dimension\": 33, \"key_dimension\": 96", "")]
    public void LiesAboutLayersAreRefused(string old, string lie, string reason)
    {
        CachePolicyFile.Save(_path, Mixed());
        string text = File.ReadAllText(_path);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(_path, text.Replace(old, lie, StringComparison.Ordinal));
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => CachePolicyFile.Load(_path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"kvant.policy\"", "\"other\"", "format")]
    [InlineData("\"version\": 1", "\"version\": 7", "version 7")]
    [InlineData("\"layers\": 2", "\"layers\": 3", "2 layers found, 3 wanted")]
    [InlineData("\"window\": 32", "\"window\": -1", "window")]
    [InlineData("\"sinks\": 3", "\"sinks\": \"x\"", "policy")]
    [InlineData("kivi:bits=2", "nonsense:bits=2", "nonsense")]
    [InlineData("\"key_dimension\": 64", "\"key_dimension\": 0", "key_dimension")]
    [InlineData("\"key_dimension\"", "\"other\"", "policy")]
    [InlineData("{", "[", "policy")]
    public void BrokenPolicyIsRefusedWithItsName(string old, string now, string word)
    {
        CachePolicyFile.Save(_path, s_policy);
        string text = File.ReadAllText(_path);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(_path, text.Replace(old, now, StringComparison.Ordinal));
        InvalidDataException refused = Assert.Throws<InvalidDataException>(() => CachePolicyFile.Load(_path));
        Assert.StartsWith(_path, refused.Message, StringComparison.Ordinal);
        Assert.Contains(word, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryTruncationAndEveryFlippedByteIsReadOrRefused()
    {
        CachePolicyFile.Save(_path, s_policy);
        byte[] bytes = File.ReadAllBytes(_path);
        for (int i = 0; i < bytes.Length - 2; i++)
        {
            File.WriteAllBytes(_path, bytes[..i]);
            Assert.Throws<InvalidDataException>(() => CachePolicyFile.Load(_path));
            byte[] flipped = [.. bytes];
            flipped[i] ^= 1;
            File.WriteAllBytes(_path, flipped);
            try
            {
                Assert.Equal(2, CachePolicyFile.Load(_path).Layers.Count);
            }
            catch (InvalidDataException)
            {
                // Refused: as good.
            }
        }
    }

    /// <summary>Mutants: refused, or a policy that is the same when it is written and read again.</summary>
    [Theory]
    [InlineData(20261104)]
    [InlineData(20261105)]
    public void MutantsAreRefusedOrSurviveTheRoundTrip(int seed)
    {
        CachePolicyFile.Save(_path, s_policy);
        byte[] bytes = File.ReadAllBytes(_path);
        int accepted = 0;
        for (int round = 0; round < 1500; round++)
        {
            File.WriteAllBytes(_path, Mutator.Mutant(bytes, new Random(seed + (round * 2))));
            string how = $"seed {seed}, round {round}";
            long before = GC.GetAllocatedBytesForCurrentThread();
            CachePolicy policy;
            try
            {
                policy = CachePolicyFile.Load(_path);
            }
            catch (InvalidDataException)
            {
                continue; // as good
            }
            catch (Exception e)
            {
                Assert.Fail($"{how}: {e}");
                throw;
            }

            // Codecs of the dimensions were made.
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 32 << 20, how);
            accepted++;
            CachePolicyFile.Save(_path, policy);
            CachePolicy again = CachePolicyFile.Load(_path);
            Assert.True(policy.Layers.SequenceEqual(again.Layers), how);
            Assert.True(policy.Notes.Order().SequenceEqual(again.Notes.Order()), how);
            Assert.True(policy == again with { Layers = policy.Layers, Notes = policy.Notes }, how);
        }

        Assert.InRange(accepted, 15, 1400);
    }

    [Fact]
    public void HashIsThatOfTheFile()
    {
        File.WriteAllText(_path, "abc", new UTF8Encoding(false));
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", CachePolicyFile.HashOf(_path)); // FIPS 180-2
    }
}
