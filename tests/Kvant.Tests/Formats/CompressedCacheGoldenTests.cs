using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Formats;
using Kvant.Kernels;
using Kvant.Numerics;
using Kvant.Tests.Kernels;

namespace Kvant.Tests.Formats;

/// <summary>
/// A compressed cache of version 1 that ships as Golden/cache-v1.kvant: blocks, a calibrated state, a tail and queries.
/// It must be read and written for ever as on the day it was made, at every width.
/// </summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class CompressedCacheGoldenTests : IDisposable
{
    private const string Name = "cache-v1.kvant";
    private const int Tokens = 133; // 128 to calibrate the outlier channels; 5 are no whole group of kivi's keys
    private const int Dimension = 64;

    private static readonly CompressedCacheLayout s_layout = new()
    {
        Geometry = new CacheGeometry { Layers = 2, KvHeads = 1, KeyDimension = Dimension, ValueDimension = Dimension },
        Tokens = Tokens,
        Policy = new LayerPolicy([CompressedCacheSamples.Specs("kivi", "turboquant"), CompressedCacheSamples.Specs("outlier", "turboquant:bits=3,scale=leastsquares")]),
        QueryHeads = 2,
        SourceMetadata = new Dictionary<string, string> { ["model"] = "golden" },
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void SameInputGivesTheGoldenFile()
    {
        byte[][] written = Widths.AtEach(() => File.ReadAllBytes(Write(_folder.File("cache"))));
        Assert.All(written, bytes => Assert.True(bytes.AsSpan().SequenceEqual(written[0]), "Two widths write other bytes."));
        if (TestFiles.Golden(Name).AsSpan().SequenceEqual(written[0]))
            return;
        string actual = Path.Combine(AppContext.BaseDirectory, "cache-v1.actual.kvant");
        File.WriteAllBytes(actual, written[0]);
        Assert.Fail($"The bytes are not those of Golden/{Name}, which never changes. What this build writes: {actual}");
    }

    [Fact]
    public void GoldenFileDecodesToTheSameRowsBitForBit()
    {
        // The CRC-32C of the decoded floats of each head.
        string[] expected =
        [
            "0 Key 0 df07a839",
            "0 Value 0 eb751679",
            "0 Query 0 129e1d7f",
            "0 Query 1 2dbe57be",
            "1 Key 0 023c3044",
            "1 Value 0 fde330ec",
            "1 Query 0 8c6612b8",
            "1 Query 1 15ac1382",
        ];
        Assert.All(Widths.AtEach(Describe), found => Assert.True(expected.SequenceEqual(found), $"The file decodes to other rows:\n{string.Join('\n', found)}"));
    }

    [Fact]
    public void GoldenFileSaysWhatItHolds()
    {
        using CompressedCacheFile file = CompressedCacheFile.Open(Golden);
        file.VerifyChecksums();
        Assert.Equal((s_layout.Geometry, Tokens, 2, ElementType.F16), (file.Layout.Geometry, file.Layout.Tokens, file.Layout.QueryHeads, file.Layout.QueryElementType));
        Assert.Equal(s_layout.Policy, file.Layout.Policy);
        Assert.Equal("golden", file.Layout.SourceMetadata["model"]);
    }

    [Fact]
    public void GoldenQueriesAreTheInputAndRowsAreNear()
    {
        ForEachHead((file, layer, kind, head) =>
        {
            float[] expected = Rows(layer, kind, head), found = new float[Tokens * Dimension];
            file.Read(layer, kind, head, found);
            if (kind == HeadKind.Query)
                Assert.Equal(expected, found);
            else
                Assert.InRange(Measure.Nmse(expected, found), 1e-6, 0.2); // 2 bits lose .12
        });
    }

    private static string Golden => Path.Combine(AppContext.BaseDirectory, "Golden", Name);

    private static List<string> Describe()
    {
        List<string> lines = [];
        ForEachHead((file, layer, kind, head) =>
        {
            var rows = new float[Tokens * Dimension];
            file.Read(layer, kind, head, rows);
            lines.Add($"{layer} {kind} {head} {Crc32C.Compute(MemoryMarshal.AsBytes<float>(rows)):x8}");
        });
        return lines;
    }

    private static void ForEachHead(Action<CompressedCacheFile, int, HeadKind, int> action)
    {
        using CompressedCacheFile file = CompressedCacheFile.Open(Golden);
        for (int layer = 0; layer < s_layout.Geometry.Layers; layer++)
        {
            action(file, layer, HeadKind.Key, 0);
            action(file, layer, HeadKind.Value, 0);
            for (int head = 0; head < s_layout.QueryHeads; head++)
                action(file, layer, HeadKind.Query, head);
        }
    }

    private static string Write(string path)
    {
        using CompressedCacheWriter writer = CompressedCacheWriter.Create(path, s_layout);
        for (int layer = 0; layer < s_layout.Geometry.Layers; layer++)
        {
            writer.WriteKeys(layer, 0, Rows(layer, HeadKind.Key, 0));
            writer.WriteValues(layer, 0, Rows(layer, HeadKind.Value, 0));
            for (int head = 0; head < s_layout.QueryHeads; head++)
                writer.WriteQueries(layer, head, Rows(layer, HeadKind.Query, head));
        }

        writer.Commit();
        return path;
    }

    // As a trace would hold them: half precision, every fifth channel loud.
    private static float[] Rows(int layer, HeadKind kind, int head)
    {
        var random = new SeededRandom(2026, (ulong)((layer * 100) + ((int)kind * 10) + head));
        var rows = new float[Tokens * Dimension];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = (float)(Half)(random.NextGaussian() * (i % Dimension % 5 == 1 ? 3 : 1));
        return rows;
    }
}
