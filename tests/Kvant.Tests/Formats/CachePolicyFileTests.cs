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
