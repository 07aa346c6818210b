using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Packing;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>The seeds' own unit tests, with bands that mean something. Those of caches and eviction belong to the cache.</summary>
public sealed class SeedCounterpartTests
{
    [Fact]
    public void Seed000RampsOfDimension16LoseWhatTheoryGivesToAnyRow()
    {
        // Over random rotations the mean error of every fixed row is the optimum of the density.
        float[] keys = [.. Enumerable.Range(0, 64).Select(i => (i + 1) / 100f)], values = [.. Enumerable.Range(0, 64).Select(i => (i + 50) / 100f)];
        foreach (float[] rows in (float[][])[keys, values])
        {
            double mean = 0;
            const int Rotations = 400;
            for (int seed = 0; seed < Rotations; seed++)
                mean += Measure.Nmse(rows, CodecCases.RoundTrip(CodecSpec.Parse($"turboquant:bits=3,rotation=haar,scale=norm,seed={seed}").CreateCodec(16), rows)) / Rotations;
            Measure.AssertInBand(mean, LloydMaxReference.Of(16, 3).Nmse, Tolerances.NearlyParallelRows, "mean over rotations");
        }
    }

    [Fact]
    public void Seed000MemoryStatisticsAreExact()
    {
        // 1,024 tokens, 32 layers, 32 heads, dimension 128, 3 bits: 50 bytes for each key and value.
        CodecSpec spec = CodecSpec.Parse("turboquant:bits=3");
        var geometry = new CacheGeometry { Layers = 32, KvHeads = 32, KeyDimension = 128, ValueDimension = 128 };
        MemoryEstimate estimate = MemoryEstimate.For(geometry, LayerPolicy.Uniform(32, spec, spec), 1024);
        Assert.Equal(1024L * 32 * 32 * 50, estimate.KeyBytes);
        Assert.Equal(1024L * 32 * 32 * 50, estimate.ValueBytes);
        Assert.Equal(1024L * 32 * 32 * 100, estimate.TotalBytes);
        Assert.Equal(5.12, estimate.CompressionRatio, 1e-12);
        Assert.Equal(3.125, estimate.BitsPerValue, 1e-12);
    }

    [Fact]
    public void Seed000BoundaryLayersHaveTheirOwnBits()
    {
        CodecSpec three = CodecSpec.Parse("turboquant:bits=3"), four = CodecSpec.Parse("turboquant:bits=4");
        LayerPolicy policy = LayerPolicy.Uniform(4, three, three).WithBoundary(1, four);
        Assert.Equal(["4", "3", "3", "4"], policy.Select(l => l.Keys["bits"]));
        Assert.Equal(["3", "3", "3", "3"], policy.Select(l => l.Values["bits"]));
        var geometry = new CacheGeometry { Layers = 4, KvHeads = 1, KeyDimension = 16, ValueDimension = 16 };
        Assert.Equal((2 * 10) + (2 * 8), MemoryEstimate.For(geometry, policy, 1).KeyBytes);
    }

    [Fact]
    public void Seed000DenseRotationIsBuiltOnceAndIsTheSameForEveryCodec()
    {
        // The seed drew its matrix anew at every call.
        const int Dimension = 128, Batches = 100;
        CodecSpec spec = CodecSpec.Parse("turboquant:bits=3,rotation=haar,seed=5");
        Codec codec = spec.CreateCodec(Dimension), other = spec.CreateCodec(Dimension);
        float[] rows = TestRows.Gaussian(4, Dimension, seed: 126);
        byte[] first = CodecCases.Encode(codec, rows), again = new byte[first.Length];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Batches; i++)
            codec.Encode(rows, again);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < Dimension * Dimension * sizeof(float), $"{Batches} batches allocate {allocated} bytes, as much as a matrix.");
        Assert.Equal(first, again);
        Assert.Equal(first, CodecCases.Encode(other, rows));
    }

    [Theory]
    [InlineData(33)]
    [InlineData(80)]
    [InlineData(100)]
    public void Seed001DimensionThatIsNotWholeBlocksIsRefused(int dimension) =>
        Assert.Contains("multiple of 32", Assert.Throws<ArgumentException>(() => CodecSpec.Parse("polar32").CreateCodec(dimension)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(64, 3, 28)]
    [InlineData(128, 2, 40)]
    [InlineData(128, 3, 56)]
    [InlineData(128, 4, 72)]
    [InlineData(256, 3, 112)]
    public void Seed001PackedRowIsAScalePerBlockAndCodesWithoutGaps(int dimension, int bits, int bytes) =>
        Assert.Equal(bytes, CodecCases.Create($"polar32:bits={bits}", dimension).BytesPerBlock);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Seed001EveryBlockIsOnTheFullCodebook(int bits)
    {
        const int Dimension = 128, Rows = 4096, Block = 32;
        float[] rows = TestRows.UnitVectors(Rows, Dimension);
        Codec codec = CodecCases.Create($"polar32:bits={bits}", Dimension);
        byte[] blocks = CodecCases.Encode(codec, rows), codes = new byte[Dimension];
        float[] decoded = CodecCases.Decode(codec, blocks);
        for (int b = 0; b < Dimension / Block; b++)
        {
            float[] Part(float[] all) => [.. all.Where((_, i) => i % Dimension / Block == b)];
            Measure.AssertInBand(Measure.Nmse(Part(rows), Part(decoded)), LloydMaxReference.Of(Block, bits).Nmse, Tolerances.Theory, $"block {b}, {bits} bits");
            var found = new HashSet<byte>();
            for (int r = 0; r < Rows; r++)
            {
                BitPacking.Unpack(blocks.AsSpan((r * codec.BytesPerBlock) + (Dimension / Block * 2), Dimension * bits / 8), bits, codes);
                found.UnionWith(codes[(b * Block)..((b + 1) * Block)]);
            }

            Assert.Equal(1 << bits, found.Count);
        }
    }

    [Fact]
    public void Seed001CodecNeedsNoResetBetweenSequences()
    {
        Codec codec = CodecCases.Create("polar32:bits=3", 128);
        float[] one = TestRows.Gaussian(9, 128, seed: 127), other = TestRows.Gaussian(5, 128, seed: 128, scale: 100);
        byte[] first = CodecCases.Encode(codec, one), between = CodecCases.Encode(codec, other);
        Assert.NotEqual(first.AsSpan(0, between.Length).ToArray(), between);
        float[] decoded = CodecCases.Decode(codec, first);
        Assert.Equal(first, CodecCases.Encode(codec, one));
        CodecCases.Decode(codec, between);
        Assert.Equal(decoded, CodecCases.Decode(codec, first));
    }

    [Theory]
    [InlineData("turboquant:bits=4,scale=norm")]
    [InlineData("turboquant-ip:bits=4")]
    public void Seed002ScoresOfKeysErrAsTheoryAllows(string spec)
    {
        float[] keys = TestRows.UnitVectors(4096, 64), queries = TestRows.Gaussian(8, 64, seed: 121);
        Codec codec = CodecCases.Create(spec, 64, CodecRole.Keys);
        PreparedQueries prepared = codec.CreatePreparedQueries(8);
        codec.Prepare(queries, prepared);
        var scores = new float[8 * 4096];
        codec.Score(prepared, CodecCases.Encode(codec, keys), scores);
        double error = 0;
        for (int q = 0; q < 8; q++)
        {
            ReadOnlySpan<float> query = queries.AsSpan(q * 64, 64);
            for (int r = 0; r < 4096; r++)
                error += Math.Pow(scores[(q * 4096) + r] - Measure.Dot(query, keys.AsSpan(r * 64, 64)), 2) / (4096 * Measure.SquaredNorm(query));
        }

        // A random row errs by D / d along a unit query; the sketch by pi/2 D / d with the D of one bit less.
        double theory = spec.StartsWith("turboquant-ip", StringComparison.Ordinal) ? Math.PI / 2 * LloydMaxReference.Of(64, 3).Nmse : LloydMaxReference.Of(64, 4).Nmse;
        Measure.AssertInBand(error / 8 * 64, theory, 2 * Tolerances.InnerProductDistortion, spec);
    }

    [Fact]
    public void Seed002AttentionOutputErrsNoMoreThanItsValues()
    {
        const int Dimension = 64, Tokens = 128;
        Codec codec = CodecCases.Create("turboquant:bits=4,scale=norm", Dimension, CodecRole.Values);
        float[] values = TestRows.Gaussian(Tokens, Dimension, seed: 122), keys = TestRows.Gaussian(Tokens, Dimension, seed: 123), query = TestRows.Gaussian(1, Dimension, seed: 124);
        double[] weights = AttentionReference.Weights(query, keys), exact = AttentionReference.Run(query, keys, values, Dimension);
        float[] accumulator = new float[Dimension], output = new float[Dimension];
        codec.Accumulate([.. weights.Select(w => (float)w)], CodecCases.Encode(codec, values), accumulator);
        codec.Finish(accumulator, output);
        double error = Math.Sqrt(output.Zip(exact, (o, e) => Math.Pow(o - e, 2)).Sum());

        // The errors of the tokens are independent, so they add as squares: sqrt(sum w^2 D |v|^2), give or take a chi of 64.
        double theory = Math.Sqrt(LloydMaxReference.Of(Dimension, 4).Nmse * weights.Select((w, t) => w * w * Measure.SquaredNorm(values.AsSpan(t * Dimension, Dimension))).Sum());
        Assert.InRange(error, theory * 0.6, theory * 1.4);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Seed003Dimension256HasTheOptimalErrorAndCosine(int bits)
    {
        float[] rows = TestRows.UnitVectors(4096, 256);
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create($"turboquant:bits={bits},scale=norm", 256), rows);
        double optimum = LloydMaxReference.Of(256, bits).Nmse, cosine = 0;
        for (int r = 0; r < 4096; r++)
            cosine += Measure.Dot(rows.AsSpan(r * 256, 256), decoded.AsSpan(r * 256, 256)) / (4096 * Measure.Norm(decoded.AsSpan(r * 256, 256)));
        Measure.AssertInBand(Measure.Nmse(rows, decoded), optimum, Tolerances.Theory, $"{bits} bits");

        // For centroids <x, c> = |c|^2 = 1 - D in the mean, so the cosine is sqrt(1 - D).
        Assert.Equal(Math.Sqrt(1 - optimum), cosine, 2e-3);
    }

    [Theory]
    [InlineData(CodecRole.Keys)]
    [InlineData(CodecRole.Values)]
    public void Seed004KiviRampIsMetWithinHalfAStep(CodecRole role)
    {
        // The seed's ramp of .1 per number, long enough for whole groups; its own bound was 2.0 for any error.
        const int Dimension = 64;
        float[] rows = [.. Enumerable.Range(0, 32 * Dimension).Select(i => (i - 16) * 0.1f)];
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create("kivi:bits=2", Dimension, role), rows);
        double range = role == CodecRole.Keys ? 31 * Dimension * 0.1 : 31 * 0.1;
        for (int i = 0; i < rows.Length; i++)
            Assert.Equal(rows[i], decoded[i], (range / 6) + (2 * Tolerances.HalfPrecision * (Math.Abs(rows[i]) + range)));
    }

    [Fact]
    public void Seed004KiviMemoryIsExact()
    {
        // 8 heads of 128 tokens and 64 channels: 2-bit codes, and fp16 scale and zero per group of 32.
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 8, KeyDimension = 64, ValueDimension = 64 };
        CodecSpec spec = CodecSpec.Parse("kivi:bits=2");
        MemoryEstimate estimate = MemoryEstimate.For(geometry, LayerPolicy.Uniform(1, spec, spec), 128);
        const long Expected = 8 * 128 * 64 * 3 / 8;
        Assert.Equal(Expected, estimate.KeyBytes);
        Assert.Equal(Expected, estimate.ValueBytes);
        Assert.Equal(0, estimate.TailBytes);
        Assert.Equal(16.0 / 3, estimate.CompressionRatio, 1e-12);
    }

    [Theory]
    [InlineData("fp32")]
    [InlineData("fp16")]
    [InlineData("bf16")]
    public void Seed004BypassKeepsEveryNumberItCan(string spec)
    {
        float[] rows = TestRows.Gaussian(64, 128, seed: 125);
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create(spec, 128), rows);
        for (int i = 0; i < rows.Length; i++)
        {
            float expected = spec switch
            {
                "fp32" => rows[i],
                "fp16" => (float)(Half)rows[i],
                _ => BFloat16(rows[i]),
            };
            Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(decoded[i]));
        }
    }

    // The upper half of the float's bits, rounded to nearest, ties to even.
    private static float BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}
