using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Numerics;

namespace Kvant.Conversations.Tests.Chunks;

/// <summary>Keys and chunks that were written once: this release writes and reads them the same. What is there never changes.</summary>
public sealed class GoldenTests
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "Golden");

    public static TheoryData<string> Names => ["plain", "learnt", "windows", "named"];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task ChunksAreThoseThatWereWrittenOnce(string name)
    {
        (PrefixOptions options, int[] tokens) = Case(name);
        var store = new MemoryChunkStore(1 << 20);
        await using (var prefixes = new PrefixStore(store, options))
        {
            using var cache = new KvCache(options.Cache);
            using StoredSequence sequence = prefixes.Follow(cache);
            while (cache.Length < tokens.Length)
            {
                int length = Math.Min(cache.Length + 40, sequence.NextBorder);
                Append(cache, Math.Min(length, tokens.Length) - cache.Length);
                foreach (string section in Border(options, cache.Length) ? options.Sections : [])
                    sequence.Keep(section, [1, 2, 3, (byte)cache.Length]);
                sequence.Store(tokens);
            }

            await prefixes.FlushAsync();
            Assert.Equal(2, prefixes.Statistics.ChunksStored);
        }

        List<string> others = [];
        foreach ((int i, ChunkKey key) in new ChunkPlan(options).KeysOf(tokens).Take(2).Index())
        {
            byte[] buffer = new byte[1 << 16];
            ChunkAnswer answer = (await store.GetAsync([key], [buffer]))[0];
            string file = Path.Combine(s_folder, $"{name}-{i}-{key}.chunk");
            byte[] found = buffer[..answer.Length], wanted = File.Exists(file) ? await File.ReadAllBytesAsync(file) : [];
            if (found.AsSpan().SequenceEqual(wanted))
                continue;
            others.Add(Path.Combine(Path.GetTempPath(), Path.GetFileName(file)));
            await File.WriteAllBytesAsync(others[^1], found);
        }

        Assert.True(others.Count == 0, $"Chunks of '{name}' are others than Golden has; they lie in {string.Join(" and ", others)}.");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task ChunksThatWereWrittenOnceAreRestored(string name)
    {
        (PrefixOptions options, int[] tokens) = Case(name);
        var store = new MemoryChunkStore(1 << 20);
        foreach (string file in Directory.EnumerateFiles(s_folder, $"{name}-*.chunk"))
        {
            await store.PutAsync([KeyOf(file)], [await File.ReadAllBytesAsync(file)]);
        }

        Assert.Equal((4 + (2 * 128), ChunkMiss.Absent), await Samples.RestoreAsync(store, options, (int[])[.. tokens, .. new int[200]]));
    }

    internal static ChunkKey KeyOf(string file) => ChunkKey.TryParse(Path.GetFileNameWithoutExtension(file).Split('-')[2], out ChunkKey key) ? key : throw new FormatException(file);

    private static bool Border(PrefixOptions options, int length) => length > options.Cache.Sinks && (length - options.Cache.Sinks) % options.ChunkTokens == 0;

    internal static (PrefixOptions Options, int[] Tokens) Case(string name)
    {
        KvCacheOptions cache = new()
        {
            Geometry = new() { Layers = 2, KvHeads = 1, QueryHeads = 2, KeyDimension = 16, ValueDimension = 8, Rotary = new() },
            Policy = [LayerSpecs.Parse("kivi:group=16", "q8"), LayerSpecs.Parse(name == "learnt" ? "q8:frame=balanced" : "q8")],
            Sinks = 4,
            Window = 8,
            Identity = new() { Weights = "sha256:00", Positions = "rope", Note = "é\n" },
        };
        if (name == "windows")
            cache = cache with { Geometry = cache.Geometry.WithLayers((layer, shape) => layer == 1 ? shape with { SlidingWindow = 192, ValuesInKeys = true } : shape) };
        int[] tokens = [.. Enumerable.Range(0, 300).Select(i => i * (name == "plain" ? 1 : 300))];
        return (new() { Cache = cache, ChunkTokens = 128, Tenant = name == "named" ? "ada" : "", Tokenizer = "t", Sections = name == "named" ? ["state.a", "state.b"] : [] }, tokens);
    }

    // The library's own numbers, which are the same on every machine.
    private static void Append(KvCache cache, int tokens)
    {
        foreach (int layer in cache.Geometry.OwnLayers)
        {
            LayerGeometry shape = cache.Geometry[layer];
            var random = new SeededRandom((ulong)(cache.LayerLength(layer) + (1000 * layer)));
            cache.ObserveQueries(layer, cache.LayerLength(layer), Numbers(shape.QueryHeads * shape.KeyDimension));
            cache.Append(layer, Numbers(shape.KvHeads * shape.KeyDimension), shape.ValuesInKeys ? [] : Numbers(shape.KvHeads * shape.ValueDimension));

            float[] Numbers(int count) => [.. Enumerable.Range(0, tokens * count).Select(_ => (float)random.NextGaussian())];
        }
    }
}
