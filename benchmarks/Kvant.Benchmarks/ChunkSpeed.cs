using System.Diagnostics;
using System.Globalization;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;
using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>
/// What stored sequences take and how fast they come back: bytes by token beside the compressed body and fp16, and the restoring of 4,096 tokens on one thread beside a checksum of as many
/// bytes, which is the least that must be done; then the same after the folder was coded again to <c>tiny</c>.
/// </summary>
internal static class ChunkSpeed
{
    private const int Sinks = KvCacheOptions.DefaultSinks, Stored = Sinks + 4096, Tokens = Stored + KvCacheOptions.DefaultWindow + 32; // behind the sinks and the window, so that 16 chunks are closed
    private const int Rounds = 25;

    private static readonly (string Name, int Layers, int KvHeads, int QueryHeads, int Dimension)[] s_shapes = [("mini", 4, 2, 4, 64), ("SmolLM2-135M", 30, 3, 9, 64), ("of 8 B", 32, 8, 32, 128)];

    /// <summary>Runs it.</summary>
    /// <param name="redis">The address of a server, too; none for the disk and memory alone.</param>
    public static async Task<int> RunAsync(string? redis)
    {
        Console.WriteLine("balanced, 4,096 tokens in 16 chunks; bytes by token, and of all stored bytes the share beyond the compressed body; GB/s of the best of 25 rounds, into memory of a pool that had it before, and into new memory, which the system clears");
        Console.WriteLine($"{"model",-14}{"fp16",8}{"stored",8}{"smaller",9}{"x body",8}   {"store",-8}{"restore",9}{"new",7}{"CRC-32C",9}{"ms",8}");
        foreach ((string Name, int Layers, int KvHeads, int QueryHeads, int Dimension) shape in s_shapes)
        {
            DirectoryInfo folder = Directory.CreateTempSubdirectory("kvant-chunks-");
            try
            {
                await ShapeAsync(shape, [("memory", new MemoryChunkStore(4L << 30)), ("disk", new DiskChunkStore(folder.FullName)), .. redis is null ? [] : ((string, IChunkStore)[])[("redis", await RedisChunkStore.ConnectAsync(redis))]]);
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }

        return 0;
    }

    private static async Task ShapeAsync((string Name, int Layers, int KvHeads, int QueryHeads, int Dimension) shape, (string Name, IChunkStore Store)[] stores)
    {
        CacheGeometry geometry = new() { Layers = shape.Layers, KvHeads = shape.KvHeads, QueryHeads = shape.QueryHeads, KeyDimension = shape.Dimension, ValueDimension = shape.Dimension, Rotary = new() };
        PrefixOptions options = new() { Cache = KvCacheOptions.Preset("balanced", geometry) with { Identity = new() { Weights = Guid.NewGuid().ToString(), Positions = "rope" } } };
        int[] tokens = [.. Enumerable.Range(0, Tokens).Select(i => i * 7 % 32_000)];
        using var cache = new KvCache(options.Cache);
        using var pool = new PagePool();
        var random = new SeededRandom(1);
        float[] rows = [.. Enumerable.Range(0, Tokens * shape.KvHeads * shape.Dimension).Select(_ => (float)random.NextGaussian())];
        for (int layer = 0; layer < shape.Layers; layer++)
            cache.Append(layer, rows, rows);
        CacheStatistics statistics = cache.Statistics;
        long body = statistics.KeyCodeBytes + statistics.KeyScaleBytes + statistics.ValueCodeBytes + statistics.ValueScaleBytes;
        List<string> recoded = [];
        foreach ((string name, IChunkStore store) in stores)
        {
            await using var prefixes = new PrefixStore(store, options);
            using StoredSequence sequence = prefixes.Follow(cache);
            sequence.Store(tokens);
            await prefixes.FlushAsync();
            long stored = prefixes.Statistics.BytesStored;
            byte[] bytes = new byte[stored];
            double best = double.MaxValue, fresh = double.MaxValue, checksum = double.MaxValue;
            await using var pooled = new PrefixStore(store, options with { Cache = options.Cache with { Pool = pool } });
            for (int round = 0; round < Rounds; round++)
            {
                best = Math.Min(best, await SecondsAsync(pooled, tokens));
                fresh = Math.Min(fresh, await SecondsAsync(prefixes, tokens));
                long start = Stopwatch.GetTimestamp();
                _ = Crc32C.Compute(bytes);
                checksum = Math.Min(checksum, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            double byToken = stored / (double)Stored, bodyByToken = body / (double)(cache.Length - Sinks - statistics.WindowRows / shape.Layers);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{shape.Name,-14}{geometry.Fp16BytesPerToken,8}{byToken,8:f0}{geometry.Fp16BytesPerToken / byToken,9:f2}{byToken / bodyByToken,8:f4}   {name,-8}{stored / best / 1e9,9:f2}{stored / fresh / 1e9,7:f2}{stored / checksum / 1e9,9:f2}{best * 1e3,8:f1}"));
            if (store is not DiskChunkStore disk)
                continue;
            TimeSpan begin = Environment.CpuUsage.TotalTime;
            DiskReport report = disk.Recode(LayerSpecs.FromText("tiny"));
            double seconds = (Environment.CpuUsage.TotalTime - begin).TotalSeconds, after = double.MaxValue;
            for (int round = 0; round < Rounds; round++)
                after = Math.Min(after, await SecondsAsync(pooled, tokens));
            recoded.Add(string.Create(CultureInfo.InvariantCulture,
                $"  coded again to tiny: {report.Recoded} chunks in {seconds:f2} s of a processor, {stored / seconds / 1e6:f1} MB/s; {byToken:f0} to {report.Bytes / (double)Stored:f0} bytes by token ({report.Bytes / (double)stored:f3}); restored in {after * 1e3:f1} ms ({after / best:f2} times as long)"));
        }

        foreach (string line in recoded)
            Console.WriteLine(line);
    }

    private static async Task<double> SecondsAsync(PrefixStore prefixes, int[] tokens)
    {
        long start = Stopwatch.GetTimestamp();
        using StoredSequence restored = await prefixes.RestoreAsync(tokens);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return restored.RestoredTokens == Stored ? seconds : throw new InvalidDataException($"{restored.RestoredTokens} tokens came back: {restored.Miss}");
    }
}
