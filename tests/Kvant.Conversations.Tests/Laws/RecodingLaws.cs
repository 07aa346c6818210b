using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Conversations.Tests.Recoding;
using Kvant.Formats;
using Kvant.Tests;

namespace Kvant.Conversations.Tests.Laws;

/// <summary>Chunks that were coded again make the cache whose tokens were.</summary>
public sealed class RecodingLaws
{
    public static TheoryData<string, string> Policies => new()
    {
        { "balanced", "tiny" },
        { "balanced", "small" },
        { "quality", "balanced" },
        { "q8", "turboquant:bits=3,mean=32 / q4_0" },
        { "fp16", "q8" },
        { "kivi:bits=4|q8", "turboquant:bits=2" },
        { "q8:frame=constant|fp16", "turboquant:bits=3,frame=constant / kivi:group=128" },
        { "q8|turboquant:bits=2", "q4_0" }, // the keys alone
    };

    [Theory]
    [MemberData(nameof(Policies))]
    public void BeginningThatWasCodedAgainIsThatOfACacheWhoseTokensWere(string policy, string to) => Fresh.Each(policy + to, 2, seed =>
    {
        var random = new Random(seed);
        PrefixOptions options = Samples.Prefixes(Samples.Options(policy, sinks: random.Next(3) * 5, window: random.Next(4) * 30));
        int[] tokens = Samples.Tokens(options.Cache.Sinks + (5 * 128) + options.Cache.Window + 40, seed);
        var store = new MemoryChunkStore(1 << 30);
        using KvCache cache = Stored(store, options, tokens);
        int recoded = random.Next(1, 6), border = options.Cache.Sinks + (recoded * 128);
        ChunkForm form = new ChunkPlan(options).Stored.Smaller(new ChunkPlan(options), LayerSpecs.FromText(to));
        foreach (int chunk in Enumerable.Range(0, recoded).Reverse())
            Recoded.InAsync(store, options, tokens, chunk, LayerSpecs.FromText(to)).Wait();
        Samples.Restore(store, options, tokens, restored =>
        {
            Assert.Equal(options.Cache.Sinks + (5 * 128), restored.RestoredTokens);
            Assert.Equal(border, restored.RecodedTokens);
            using KvCache live = cache.Fork();
            live.Truncate(restored.RestoredTokens);
            live.Recode([.. Enumerable.Range(0, options.Cache.Geometry.Layers).Select(form.Specs)], border);
            Assert.Equal(live.Freeze(), restored.Cache.Freeze());
            Samples.GoOn(live, restored.Cache, seed);
        });
    });

    [Theory]
    [InlineData("balanced", "small", "tiny")]
    [InlineData("q8", "turboquant:bits=4", "turboquant:bits=2,mean=32 / q4_0")]
    public void AnyMixtureHasTheRowsThatItsChunksHave(string policy, string second, string third) => Fresh.Each(policy, 3, seed =>
    {
        var random = new Random(seed);
        PrefixOptions options = Samples.Prefixes(Samples.Options(policy));
        int[] tokens = Samples.Tokens(4 + (6 * 128) + 30, seed);
        var store = new MemoryChunkStore(1 << 30);
        using KvCache cache = Stored(store, options, tokens);
        cache.Truncate(4 + (6 * 128));
        KvCache[] whole = [cache, cache.Fork(), cache.Fork()];
        whole[1].Recode(LayerPolicy.Uniform(2, LayerSpecs.FromText(second)), int.MaxValue);
        whole[2].Recode(LayerPolicy.Uniform(2, LayerSpecs.FromText(third)), int.MaxValue);
        int[] forms = [.. Enumerable.Range(0, 6).Select(_ => random.Next(3))];
        for (int chunk = 0; chunk < 6; chunk++)
        {
            if (forms[chunk] > 0)
                Recoded.InAsync(store, options, tokens, chunk, LayerSpecs.FromText(forms[chunk] == 1 ? second : third)).Wait();
        }

        Samples.Restore(store, options, tokens, restored =>
        {
            Assert.Equal(4 + (6 * 128), restored.RestoredTokens);
            Assert.Equal(forms.Index().Sum(form => form.Item == 0 ? 0 : form.Index == 0 ? 132 : 128), restored.RecodedTokens);
            foreach (int layer in (int[])[0, 1])
            {
                for (int chunk = 0; chunk < 6; chunk++)
                    Assert.Equal(Rows(whole[forms[chunk]], layer, chunk), Rows(restored.Cache, layer, chunk));
            }

            // What can be done with a cache can be done with this one.
            using KvCache fork = restored.Cache.Fork(), thawed = CacheFreezing.Thaw(restored.Cache.Freeze());
            Samples.GoOn(fork, thawed, seed);
            int length = random.Next(1, 4 + (6 * 128));
            fork.Truncate(length);
            thawed.Truncate(length);
            Samples.GoOn(fork, thawed, seed);
            fork.Clear();
            using var fresh = new KvCache(options.Cache);
            Samples.GoOn(fork, fresh, seed);
            Assert.Equal(fresh.Freeze(), fork.Freeze());
        });
        whole[1].Dispose();
        whole[2].Dispose();
    });

    [Theory]
    [InlineData("balanced", 300, 0, "tiny")]
    [InlineData("fp16", 300, 200, "turboquant:bits=4")] // blocks of one row
    [InlineData("fp16", 0, 200, "balanced / q8")] // whose keys the windowed layer has no place for
    public void LayersWithSlidingWindowsAreCodedAgainWhereTheirBlocksAllowIt(string policy, int first, int second, string to) => Fresh.Each(policy, 2, seed =>
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options(policy, slidingWindows: [first, second]));
        int[] tokens = Samples.Tokens(4 + (7 * 128) + 60, seed);
        LayerSpecs codecs = to.Contains("balanced", StringComparison.Ordinal) ? new(CachePreset.Named("balanced").Keys.With("frame", "0"), LayerSpecs.Parse("q8").Values) : LayerSpecs.FromText(to);
        var store = new MemoryChunkStore(1 << 30);
        Stored(store, options, tokens, atOnce: 10).Dispose();
        ChunkForm form = new ChunkPlan(options).Stored.Smaller(new ChunkPlan(options), codecs);
        Samples.Restore(store, options, tokens, before =>
        {
            for (int chunk = 0; chunk < 5; chunk++)
                Recoded.InAsync(store, options, tokens, chunk, codecs).Wait();
            Samples.Restore(store, options, tokens, restored =>
            {
                Assert.Equal(4 + (7 * 128), before.RestoredTokens);
                Assert.Equal((before.RestoredTokens, form.IsStored ? 0 : 4 + (5 * 128)), (restored.RestoredTokens, restored.RecodedTokens));
                before.Cache.Recode([.. Enumerable.Range(0, 2).Select(form.Specs)], 4 + (5 * 128));
                Samples.GoOn(before.Cache, restored.Cache, seed);
            });
        });
    });

    [Fact]
    public async Task MoreKindsOfBlocksThanACacheHasEndThePrefixWithAReason()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[] tokens = Samples.Tokens(4 + (12 * 128) + 30, 1);
        var store = new MemoryChunkStore(1 << 30);
        Stored(store, options, tokens).Dispose();
        for (int chunk = 1; chunk < 12; chunk += 2)
            await Recoded.InAsync(store, options, tokens, chunk, LayerSpecs.FromText("turboquant:bits=2"));
        // Seven older kinds: of chunks 0 to 6; those of the last are the newest's.
        Assert.Equal((4 + (7 * 128), ChunkMiss.OtherForm), await Samples.RestoreAsync(store, options, tokens));
        await Recoded.InAsync(store, options, tokens, 6, LayerSpecs.FromText("turboquant:bits=2"));
        Assert.Equal((4 + (9 * 128), ChunkMiss.OtherForm), await Samples.RestoreAsync(store, options, tokens));
    }

    private static KvCache Stored(MemoryChunkStore store, PrefixOptions options, int[] tokens, int atOnce = 1000)
    {
        var prefixes = new PrefixStore(store, options);
        var cache = new KvCache(options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        while (cache.Length < tokens.Length)
        {
            Samples.Append(cache, tokens.AsSpan(cache.Length, Math.Min(atOnce, tokens.Length - cache.Length)));
            sequence.Store(tokens);
            prefixes.FlushAsync().Wait();
        }

        Assert.Empty(prefixes.Statistics.Refusals);
        prefixes.DisposeAsync().AsTask().Wait();
        return cache;
    }

    // Keys and values of all heads, as they decode.
    private static float[] Rows(KvCache cache, int layer, int chunk)
    {
        List<float> rows = [];
        foreach (int side in (int[])[0, 1])
        {
            foreach (int head in (int[])[0, 1])
            {
                float[] numbers = new float[128 * (side == 0 ? 64 : 96)];
                LayerReading.Decode(cache.Layers[layer], side, head, 4 + (chunk * 128), 128, numbers);
                rows.AddRange(numbers);
            }
        }

        return [.. rows];
    }
}
