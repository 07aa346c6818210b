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
    private static readonly AttentionSettings s_floats = new() { Arithmetic = Arithmetic.Exact }, s_tensors = new();

    public static TheoryData<string, int, int> Shapes
    {
        get
        {
            var shapes = new TheoryData<string, int, int>();
            string[] presets = ["quality", "balanced", "small", "tiny"];
            for (int group = 1; group <= 9; group++)
                shapes.Add(presets[group % 4], 64, group);
            foreach (string preset in presets)
                shapes.Add(preset, 128, 4);
            shapes.Add("tiny", 64, 20);
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
        double floats = GpuCases.AssertDecode(copy, s_floats, $"{preset}, {dimension} numbers, groups of {group}");
        double tensors = GpuCases.AssertDecode(copy, s_tensors, $"{preset}, {dimension} numbers, groups of {group}, matrix units", tolerance: GpuTolerances.Tensors);
        Assert.True(tensors > floats, "Both ways are one.");
    }

    [Theory]
    [InlineData(Arithmetic.Exact)]
    [InlineData(Arithmetic.Fast)]
    public void SettingsWindowsAndEvictionsMeanTheSame(Arithmetic arithmetic)
    {
        double tolerance = arithmetic == Arithmetic.Fast ? GpuTolerances.Tensors : GpuTolerances.Output;
        using var card = new CudaCard();
        var all = new AttentionSettings { Arithmetic = arithmetic, Scale = 0.2f, Temperature = 0.7f, SoftCap = 5, Slopes = [0.01f, 0, 0.02f, 0.1f], SinkLogits = [0, 1, 2, 3] };
        foreach (int window in (int[])[1, 20, 100, 250])
        {
            CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(), window) with { Rotary = new() { Base = 10_000 } };
            using var cache = new KvCache(KvCacheOptions.Preset("balanced", geometry) with { Sinks = 4, Window = 16 });
            AttentionCases.Append(cache, 330, seed: 5);
            using var copy = new GpuKvCache(cache, card.Device);
            GpuCases.AssertDecode(copy, all, $"a window of {window}", tolerance: tolerance);
        }

        using var forgets = new KvCache(KvCacheOptions.Preset("tiny", AttentionCases.Geometry()) with { Sinks = 4, Window = 16, Eviction = new Eviction.Newest(150) });
        using var copyOfIt = new GpuKvCache(forgets, card.Device);
        for (int i = 0; i < 4; i++)
        {
            AttentionCases.Append(forgets, 77, seed: i);
            GpuCases.AssertDecode(copyOfIt, all with { Slopes = null }, $"{forgets.Length} tokens, of which 150 are kept", tolerance: tolerance);
        }
    }

    [Fact]
    public void ManySequencesAreAnsweredAsEachAlone()
    {
        CacheGeometry geometry = AttentionCases.Geometry(group: 3);
        using var card = new CudaCard();
        using var attention = new GpuAttention(card.Device, geometry);
        int[] lengths = [0, 290, 1, 40, 160];
        string[] presets = ["balanced", "balanced", "tiny", "quality", "tiny"];
        List<KvCache> caches = [.. presets.Select(preset => new KvCache(KvCacheOptions.Preset(preset, geometry) with { Sinks = 4, Window = 16 }))];
        List<GpuKvCache> copies = [.. caches.Select(cache => new GpuKvCache(cache, card.Device))];
        int width = geometry.QueryHeads * 64;
        float[] queries = AttentionCases.Queries(geometry, 4, lengths.Length), together = new float[lengths.Length * width], alone = new float[width];
        for (int i = 0; i < lengths.Length; i++)
            AttentionCases.Append(caches[i], lengths[i], seed: i);
        attention.Decode([.. copies], 0, queries, together);
        for (int i = 0; i < lengths.Length; i++)
        {
            attention.Decode(copies[i], 0, queries.AsSpan(i * width, width), alone);
            GpuCases.AssertOutput([.. alone.Select(x => (double)x)], together.AsSpan(i * width, width), $"sequence {i}");
            Assert.Equal(lengths[i] == 0, alone.All(x => x == 0));
        }

        foreach (GpuKvCache copy in copies)
            copy.Dispose();
        foreach (KvCache cache in caches)
            cache.Dispose();
    }

    // What Arithmetic.Fast promises on the processor: at most 2 % more error than the codes make anyway.
    [Theory]
    [InlineData("quality", 0)]
    [InlineData("balanced", 0)]
    [InlineData("tiny", 0)]
    [InlineData("quality", 150)]
    [InlineData("balanced", 150)]
    public void MatrixUnitsAddLittleToTheErrorOfCodes(string preset, float shared)
    {
        const int tokens = 300;
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 2, group: 8) with { Rotary = new() { Base = 10_000 } };
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, tokens, 3);
        float[] queries = AttentionCases.Queries(geometry, 4);
        // A vector that all keys share and positions turn slowly, as models with biases have it.
        for (int i = 0; i < keys.Length; i++)
        {
            int token = i / 128, pair = i % 32;
            (double sine, double cosine) = Math.SinCos(token * Math.Pow(10_000, -pair / 32.0));
            keys[i] += shared * (float)(i % 64 < 32 ? cosine : sine) * (pair >= 24 ? 1 : 0);
        }

        using var card = new CudaCard();
        using var cache = new KvCache(KvCacheOptions.Preset(preset, geometry) with { Sinks = 4, Window = 16 });
        cache.Append(0, keys, values);
        using var copy = new GpuKvCache(cache, card.Device);
        double floats = Error(s_floats), tensors = Error(s_tensors);
        Assert.True(floats > 0 && tensors != floats && tensors <= 1.02 * floats, $"{preset}, {shared}: off by {floats:G3} in floats, by {tensors:G3} on matrix units.");

        // Of what attention over the rows themselves is, in double precision.
        double Error(AttentionSettings settings)
        {
            using var attention = new GpuAttention(card.Device, geometry, settings);
            float[] outputs = new float[geometry.QueryHeads * 64];
            attention.Decode(copy, 0, queries, outputs);
            double error = 0;
            for (int head = 0; head < geometry.QueryHeads; head++)
            {
                double[] weights = [.. Enumerable.Range(0, tokens).Select(token => Math.Exp(Enumerable.Range(0, 64).Sum(c => (double)queries[(head * 64) + c] * keys[(((token * 2) + (head / 8)) * 64) + c]) / 8))];
                double all = weights.Sum();
                for (int c = 0; c < 64; c++)
                    error += Math.Pow(outputs[(head * 64) + c] - (Enumerable.Range(0, tokens).Sum(token => weights[token] * values[(((token * 2) + (head / 8)) * 64) + c]) / all), 2);
            }

            return Math.Sqrt(error);
        }
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
        GpuCases.AssertDecode(copy, s_floats with { SoftCap = 20, Scale = 0.2f }, $"{tokens} tokens");
        GpuCases.AssertDecode(copy, s_tensors with { SoftCap = 20, Scale = 0.2f }, $"{tokens} tokens, matrix units", tolerance: GpuTolerances.Tensors);
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
        GpuCases.AssertDecode(copy, s_floats, keys);
        GpuCases.AssertDecode(copy, s_tensors, $"{keys}, matrix units", tolerance: keys == "fp16" ? GpuTolerances.Output : GpuTolerances.Tensors);
    }

    [Theory]
    [InlineData(1, 64, "fp16", Arithmetic.Exact)]
    [InlineData(2, 128, "fp32", Arithmetic.Fast)]
    [InlineData(3, 64, "fp16", Arithmetic.Fast)]
    [InlineData(4, 128, "fp16", Arithmetic.Exact)]
    [InlineData(8, 64, "fp16", Arithmetic.Exact)]
    [InlineData(12, 64, "fp16", Arithmetic.Fast)]
    public void PromptsAreAttendedToAndEncoded(int group, int dimension, string window, Arithmetic arithmetic)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 2, group: group, keys: dimension, values: dimension) with { Rotary = new() { Base = 10_000 } };
        KvCacheOptions options = KvCacheOptions.Preset(group % 2 == 0 ? "balanced" : "tiny", geometry) with { Sinks = 4, Window = 16, WindowCodec = CodecSpec.Parse(window) };
        using var card = new CudaCard();
        using var cache = new KvCache(options);
        using var plain = new KvCache(options);
        using var copy = new GpuKvCache(cache, card.Device, encodes: group == 1); // it takes its time here
        using var attention = new GpuAttention(card.Device, geometry, new AttentionSettings { Arithmetic = arithmetic });
        using var expected = new CacheAttention(geometry, new() { Arithmetic = Arithmetic.Exact });
        foreach ((int tokens, int seed) in ((int, int)[])[(180, 1), (3, 2), (20, 3)])
        {
            (float[] keys, float[] values) = AttentionCases.Rows(geometry, tokens, seed);
            float[] queries = AttentionCases.Queries(geometry, seed, tokens), outputs = new float[tokens * geometry.QueryHeads * dimension], right = new float[outputs.Length];
            attention.Prefill(copy, 0, queries, keys, values, outputs);
            expected.Prefill(plain, 0, queries, keys, values, right);
            for (int row = 0; row < tokens * geometry.QueryHeads; row++)
                GpuCases.AssertOutput(Array.ConvertAll(right[(row * dimension)..((row + 1) * dimension)], x => (double)x), outputs.AsSpan(row * dimension, dimension), $"row {row}", arithmetic == Arithmetic.Fast ? GpuTolerances.Tensors : GpuTolerances.Output);
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
            (int left, int all) = EncodingCases.AssertSameBytes(card.Device, settings, dimension, keys, EncodingCases.Rows(2 * 64, dimension, 5), rotary: rotary);
            Assert.Equal((0, 4), (left, all));
        }
    }
}
