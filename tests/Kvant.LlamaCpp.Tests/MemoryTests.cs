using Kvant.Caching;

namespace Kvant.LlamaCpp.Tests;

/// <summary>What is in memory, which is that of the whole process: nothing else runs meanwhile.</summary>
[Collection(nameof(MemoryTests))]
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
public sealed class MemoryTests
{
    [Fact]
    public void OneLayerIsInMemoryAtATime()
    {
        byte[] bytes = new StateSample { Caches = [new() { Layers = 40, KeyWidth = 128, ValueWidth = 128, Streams = [StateSample.Run(0, 2000)] }] }.ToBytes();
        long layer = 2 * 2 * 128 * 2000, most = 0;
        string path = Path.GetTempFileName(), state = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(state, bytes);
            int length = bytes.Length;
            bytes = [];
            long before = GC.GetTotalMemory(forceFullCollection: true);
            var watch = new Watch(() => most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before));
            using (FileStream source = File.OpenRead(state), destination = File.Create(path))
                LlamaStateFile.Compress(LlamaState.Read(source), destination, new() { Policy = CachePreset.Named("quality").ForLayers(1) }, watch);
            using (FileStream source = File.OpenRead(path), destination = File.Create(state))
                LlamaStateFile.Open(source).Restore(destination, 0, watch);
            Assert.InRange(most, layer / 4, 6 * layer);
            Assert.True(length > 39 * layer && watch.Calls > 80);
        }
        finally
        {
            File.Delete(path);
            File.Delete(state);
        }
    }

    private sealed class Watch(Action look) : IProgress<double>
    {
        public int Calls { get; private set; }

        public void Report(double value)
        {
            Calls++;
            look();
        }
    }
}
