using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>What the kernels that come compiled compute, run as PTX: attention equals double precision, blocks have the processor's bytes. The machine finds races and what lies beside its memory.</summary>
[Collection(FakeCudaCollection.Name)]
public sealed class CudaAttentionTests
{
    private static readonly AttentionSettings s_plain = new();

    public static TheoryData<string, int, int> Shapes
    {
        get
        {
            var shapes = new TheoryData<string, int, int>();
            string[] presets = ["quality", "balanced", "small", "tiny"];
            for (int group = 1; group <= 9; group++)
                shapes.Add(presets[group % 4], group % 2 == 0 ? 64 : 128, group);
            foreach (string preset in presets)
            {
                shapes.Add(preset, 64, 3);
                shapes.Add(preset, 128, 4);
            }

            shapes.Add("tiny", 128, 20);
            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void EveryPresetAndGroup(string preset, int dimension, int group)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 2, group: group, keys: dimension, values: dimension) with { Rotary = new() { Base = 10_000 } };
        using var card = new CudaCard();
        using var cache = new KvCache(KvCacheOptions.Preset(preset, geometry) with { Sinks = 4, Window = 16 });
        AttentionCases.Append(cache, 330, seed: 3);
        using var copy = new GpuKvCache(cache, card.Device);
        GpuCases.AssertDecode(copy, s_plain, $"{preset}, {dimension} numbers, groups of {group}");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(52)]
    [InlineData(149)]
    [InlineData(277)]
    public void EveryLength(int tokens)
    {
        CacheGeometry geometry = AttentionCases.Geometry() with { Rotary = new() { Base = 10_000, Pairs = RotaryPairs.Neighbors } };
        using var card = new CudaCard();
        using var cache = new KvCache(KvCacheOptions.Preset("balanced", geometry) with { Sinks = 4, Window = 16 });
        AttentionCases.Append(cache, tokens, seed: 3);
        using var copy = new GpuKvCache(cache, card.Device);
        GpuCases.AssertDecode(copy, new() { SoftCap = 20, Scale = 0.2f }, $"{tokens} tokens");
    }

    [Theory]
    [InlineData("fp16", "fp16", 128)]
    [InlineData("turboquant:bits=4", "turboquant:bits=4,scale=unbiased", 64)]
    [InlineData("turboquant:bits=4", "turboquant:bits=4", 128)]
    public void OtherCodecsThatComeCompiled(string keys, string values, int dimension)
    {
        using var card = new CudaCard();
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(group: 5, keys: dimension, values: dimension), keys, values));
        AttentionCases.Append(cache, 300, seed: 3);
        using var copy = new GpuKvCache(cache, card.Device);
        GpuCases.AssertDecode(copy, s_plain, keys);
    }

    [Theory]
    [InlineData(1, 64, "fp16")]
    [InlineData(2, 128, "fp32")]
    [InlineData(3, 64, "fp16")]
    [InlineData(4, 128, "fp16")]
    [InlineData(8, 64, "fp16")]
    [InlineData(12, 64, "fp16")]
    public void PromptsAreAttendedToAndEncoded(int group, int dimension, string window)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 2, group: group, keys: dimension, values: dimension) with { Rotary = new() { Base = 10_000 } };
        KvCacheOptions options = KvCacheOptions.Preset(group % 2 == 0 ? "balanced" : "tiny", geometry) with { Sinks = 4, Window = 16, WindowCodec = CodecSpec.Parse(window) };
        using var card = new CudaCard();
        using var cache = new KvCache(options);
        using var plain = new KvCache(options);
        using var copy = new GpuKvCache(cache, card.Device, encodes: true);
        using var attention = new GpuAttention(card.Device, geometry);
        using var expected = new CacheAttention(geometry, new() { Arithmetic = Arithmetic.Exact });
        foreach ((int tokens, int seed) in ((int, int)[])[(230, 1), (3, 2)])
        {
            (float[] keys, float[] values) = AttentionCases.Rows(geometry, tokens, seed);
            float[] queries = AttentionCases.Queries(geometry, seed, tokens), outputs = new float[tokens * geometry.QueryHeads * dimension], right = new float[outputs.Length];
            attention.Prefill(copy, 0, queries, keys, values, outputs);
            expected.Prefill(plain, 0, queries, keys, values, right);
            for (int row = 0; row < tokens * geometry.QueryHeads; row++)
                GpuCases.AssertOutput(Array.ConvertAll(right[(row * dimension)..((row + 1) * dimension)], x => (double)x), outputs.AsSpan(row * dimension, dimension), $"row {row}");
        }

        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Theory]
    [InlineData("balanced", 64, RotaryPairs.Neighbors)]
    [InlineData("balanced", 128, RotaryPairs.Halves)]
    [InlineData("small", 128, RotaryPairs.Neighbors)]
    [InlineData("tiny", 64, RotaryPairs.Halves)]
    [InlineData("tiny", 128, null)]
    public void BlocksHaveTheProcessorsBytes(string preset, int dimension, RotaryPairs? pairs)
    {
        using var card = new CudaCard();
        foreach (bool keys in (bool[])[true, false])
        {
            CodecSpec spec = keys ? CachePreset.Named(preset).Keys : CachePreset.Named(preset).Values;
            RotaryEmbedding? rotary = pairs is { } turned ? new() { Base = 10_000, Pairs = turned } : null;
            string settings = spec.ToString().Replace("turboquant:", "", StringComparison.Ordinal);
            (int left, int all) = EncodingCases.AssertSameBytes(card.Device, settings, dimension, keys, EncodingCases.Rows(2 * 96, dimension, 5), rotary: rotary);
            Assert.Equal((0, 6), (left, all));
        }
    }
}
