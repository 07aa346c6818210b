using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests;

public sealed class MetricsTests
{
    [Fact]
    public async Task EveryInstrumentOfThePageCounts()
    {
        ConcurrentDictionary<string, double> sums = [];
        ConcurrentDictionary<string, bool> tags = [];
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == "Kvant.Conversations")
                    l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, labels, _) => Add(instrument, value, labels));
        listener.SetMeasurementEventCallback<double>((instrument, value, labels, _) => Add(instrument, value, labels));
        listener.Start();

        PrefixOptions options = Samples.Prefixes(Samples.Options("q8"));
        int[] tokens = Samples.Tokens(700, 1);
        await Samples.StoreAsync(new MemoryChunkStore(250_000), options, tokens);
        var store = new MemoryChunkStore(1 << 20);
        await Samples.StoreAsync(store, options, tokens);
        await Samples.RestoreAsync(store, options, tokens);
        await Samples.RestoreAsync(store, options with { Tenant = "b" }, tokens);

        // Others count meanwhile.
        string page = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "conversations.md"));
        foreach (string name in sums.Keys)
            Assert.Contains($"`{name}`", page, StringComparison.Ordinal);
        foreach (string name in (string[])["kvant.prefix.tokens.looked_up", "kvant.prefix.tokens.hit", "kvant.prefix.misses", "kvant.prefix.load", "kvant.chunk.loaded", "kvant.chunk.stored", "kvant.chunk.raw", "kvant.chunk.puts", "kvant.chunk.store", "kvant.store.evicted"])
            Assert.True(sums.GetValueOrDefault(name) > 0, name);
        Assert.True(sums.ContainsKey("kvant.queue.length"));
        Assert.Superset(new HashSet<string>(["reason=Absent", "outcome=Stored", "store=memory"]), new HashSet<string>(tags.Keys));

        void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> labels)
        {
            sums.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value);
            foreach ((string key, object? label) in labels)
                tags[$"{key}={label}"] = true;
        }
    }
}
