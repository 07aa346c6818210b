using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Formats;

/// <summary>What a file may cost: counted in steps and bytes, never in time.</summary>
public sealed class CostTests : IDisposable
{
    private const string Sketch = "turboquant-ip:bits=4,sketch=orthogonal,length=4096,rotation=haar,seed=";

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvant-cost-{Guid.NewGuid():N}.json");

    /// <summary>Specs that end with a seed of their own per layer and side; numbers in a row; layers.</summary>
    public static TheoryData<string, int, int> Costly => new()
    {
        { Sketch, 512, 1 }, // nine dense rotations
        { Sketch, 512, 4 },
        { Sketch, 4096, 128 }, // the largest number of steps that a file can name
        { "turboquant:bits=4,rotation=haar,seed=", 256, 128 },
        { "turboquant-ip:bits=4,sketch=rademacher,length=4096,rotation=none,seed=", 1024, 16 }, // 16 MiB each
        { "turboquant:bits=8,code=uniform,scale=norm,seed=", 4096, 4 }, // codebooks
        { "outlier:bits=2,channels=1023,seed=", 2046, 64 }, // mixes of 1,023 segments
    };

    public void Dispose() => File.Delete(_path);

    [Theory]
    [MemberData(nameof(Costly))]
    public void CacheFilesWhoseCodecsTakeTooLongAreRefusedBeforeAnyIsMade(string spec, int dimension, int layers)
    {
        byte[] bytes = CacheBytes.Build(CacheBytes.Options(1, dimension, 0, "q8", "q8", layers), new LayerExtent[layers]);
        for (int layer = 0; layer < layers; layer++)
        {
            foreach ((string side, int seed) in (ReadOnlySpan<(string, int)>)[("keys", 2 * layer), ("values", (2 * layer) + 1)])
                bytes = CacheBytes.Edit(bytes, $"\"layers.{layer}.{side}\":\"q8\"", $"\"layers.{layer}.{side}\":\"{spec}{seed}\"");
        }

        AssertRefused(() => KvCache.Thaw(bytes).Dispose());
        File.WriteAllBytes(_path, bytes);
        AssertRefused(() => CacheFile.Open(_path).Dispose());
    }

    [Theory]
    [MemberData(nameof(Costly))]
    public void PoliciesWhoseCodecsTakeTooLongAreRefusedBeforeAnyIsMade(string spec, int dimension, int layers)
    {
        CachePolicyFile.Save(_path, new CachePolicy
        {
            Geometry = new CacheGeometry { Layers = layers, KvHeads = 1, KeyDimension = dimension, ValueDimension = dimension },
            Layers = new LayerPolicy(Enumerable.Range(0, layers).Select(i => new LayerSpecs(CodecSpec.Parse($"{spec}{2 * i}"), CodecSpec.Parse($"{spec}{(2 * i) + 1}")))),
            Sinks = 0,
            Window = 0,
            Notes = new Dictionary<string, string>(),
        });
        AssertRefused(() => CachePolicyFile.Load(_path));
    }

    /// <summary>What people have is far below the bound: every method, several of it, at usual dimensions; presets in many layers; dense rotations.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(96)]
    [InlineData(128)]
    [InlineData(256)]
    public void UsualPoliciesMayBeMade(int dimension)
    {
        var geometry = new CacheGeometry { Layers = 80, KvHeads = 8, KeyDimension = dimension, ValueDimension = dimension };
        foreach (CachePreset preset in CachePreset.All)
            PolicyCost.RequireFewSteps(preset.ForLayers(80), geometry);
        PolicyCost.RequireFewSteps(LayerPolicy.Uniform(80, CodecSpec.Parse("turboquant:rotation=haar"), CodecSpec.Parse("turboquant-ip:rotation=haar,sketch=orthogonal")), geometry);
        PolicyCost.RequireFewSteps([.. CodecCases.Known.Select(m => new LayerSpecs(CodecSpec.Parse(m.Name), CodecSpec.Parse(m.Name)))], geometry);
        foreach (CodecMethod method in CodecCatalog.Methods.Where(m => m.Settings.Any(s => s.Name == "seed")))
            PolicyCost.RequireFewSteps([.. Enumerable.Range(0, 80).Select(i => new LayerSpecs(CodecSpec.Parse($"{method.Name}:seed={i}"), CodecSpec.Parse($"{method.Name}:seed={i + 100}")))], geometry);
    }

    [Fact]
    public void LayersShareTheCodecsThatTheyHaveInCommon()
    {
        CodecSpec keys = CodecSpec.Parse("turboquant:bits=4,rotation=haar");
        KvCacheOptions options = CacheBytes.Options(1, 64, 0, "q8", "q8", layers: 3) with { Policy = [new(keys, CodecSpec.Parse("q8")), new(keys, CodecSpec.Parse("kivi")), new(keys, CodecSpec.Parse("q8"))] };
        LayerLayout[] layouts = LayerLayouts.Create(options);
        Assert.Same(layouts[0], layouts[2]);
        Assert.NotSame(layouts[0], layouts[1]);
        Assert.Same(layouts[0].Sides[0].Codec, layouts[1].Sides[0].Codec);
    }

    /// <summary>A mix of 1,023 segments is 4 MiB; a head of a file has 256 bytes of state.</summary>
    [Fact]
    public void HeadsOfTheOutlierSplitShareRotations()
    {
        Codec codec = CodecSpec.Parse("outlier:channels=1023").CreateCodec(2046, CodecRole.KeyTiles);
        byte[] state = new byte[codec.StateBytes];
        state.AsSpan(0, 127).Fill(0xFF);
        state[127] = 0x7F;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Codec restored = codec.WithState(state);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 1 << 18);
        Assert.Equal(state, restored.State.ToArray());
    }

    /// <summary>A fork of a cache with a large window copies the rows that are there.</summary>
    [Fact]
    public void ForkCopiesRowsNotRoom()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8", sinks: 2, window: 10000), tokens: 50);
        cache.Layers[0].Ring(0, 0, 100, 9000).Fill(0xAB);
        using KvCache fork = cache.Fork();
        CacheSamples.Append(fork, 1, seed: 5);
        Assert.True(cache.Layers[0].Ring(0, 0, 0, 48).SequenceEqual(fork.Layers[0].Ring(0, 0, 0, 48)));
        Assert.False(cache.Layers[0].Ring(0, 0, 100, 9000).SequenceEqual(fork.Layers[0].Ring(0, 0, 100, 9000)));
    }

    /// <summary>Nothing lets such a block in; if one were there all the same, a cut must end.</summary>
    [Fact]
    public void CutOfABlockThatIsNotFiniteEnds()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("kivi:group=32|q8", sinks: 0, window: 0), tokens: 64);
        cache.Layers[0].Body(0, 0, 0, 32, 32).Fill(0xFF); // scales that are NaN
        cache.Truncate(40);
        float[] key = new float[CacheSamples.KeyDimension], value = new float[CacheSamples.ValueDimension];
        cache.Decode(0, 0, 35, 1, key, value);
        Assert.Equal(40, cache.Length);
        Assert.Equal(new float[key.Length], key);
    }

    /// <summary>The largest floats in the longest rows take the most tries: they come back as large as the window may hold them, and not as zeros.</summary>
    [Fact]
    public void CutOfTheLargestNumbersKeepsThemAsLargeAsTheyMayBe()
    {
        KvCacheOptions options = CacheBytes.Options(1, Codec.MaxDimension, 0, "fp16", "fp16") with { Policy = [new(LargestCodec.Spec, LargestCodec.Spec)], WindowCodec = CodecSpec.Parse("fp32") };
        using var cache = new KvCache(options);
        float[] rows = new float[2 * LargestCodec.Rows * Codec.MaxDimension], key = new float[Codec.MaxDimension], value = new float[Codec.MaxDimension];
        cache.Append(0, rows, rows);
        cache.Truncate(LargestCodec.Rows + 1);
        cache.Decode(0, 0, LargestCodec.Rows, 1, key, value);
        float most = Door.AlwaysEncodable(Codec.MaxDimension);
        Assert.All(key.Concat(value), number => Assert.InRange(number, .875f * most, most));
    }

    // Little memory and no codec: what is made is the message.
    private static void AssertRefused(Action open)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        InvalidDataException refused = Assert.Throws<InvalidDataException>(open);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 << 20);
        Assert.Contains($"steps; at most {1 << 29} are done for a file", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Whatever goes in, the largest floats come out.</summary>
    private sealed class LargestCodec(int dimension) : Codec(dimension, Rows, 1)
    {
        public const int Rows = 4;

        public static CodecSpec Spec { get; } = new(new CodecMethod("largest", "the largest floats", [], (_, dimension, _) => new LargestCodec(dimension)));

        public override int CalibrationRows => Rows;

        public override int StateBytes => 1;

        public override ReadOnlySpan<byte> State => [1];

        protected override Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context) => this;

        protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => block.Clear();

        protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows) => rows.Fill(float.MaxValue);
    }
}
