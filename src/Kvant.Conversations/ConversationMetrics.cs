using System.Diagnostics.Metrics;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations;

/// <summary>The instruments of the meter <c>Kvant.Conversations</c>; docs/conversations.md lists them.</summary>
internal static class ConversationMetrics
{
    /// <summary>The meter's name.</summary>
    public const string Name = "Kvant.Conversations";

    private static readonly Meter s_meter = new(Name);
    private static readonly Counter<long> s_lookedUp = s_meter.CreateCounter<long>("kvant.prefix.tokens.looked_up", "{token}", "Tokens whose chunks were looked for.");
    private static readonly Counter<long> s_hit = s_meter.CreateCounter<long>("kvant.prefix.tokens.hit", "{token}", "Tokens that were restored instead of read by a model.");
    private static readonly Counter<long> s_hitRecoded = s_meter.CreateCounter<long>("kvant.prefix.tokens.recoded", "{token}", "Restored tokens in fewer bits than when they were stored.");
    private static readonly Counter<long> s_misses = s_meter.CreateCounter<long>("kvant.prefix.misses", "{chunk}", "Chunks at which a prefix ended, by reason.");
    private static readonly Counter<long> s_loaded = s_meter.CreateCounter<long>("kvant.chunk.loaded", "By", "Bytes of chunks that were restored.");
    private static readonly Counter<long> s_stored = s_meter.CreateCounter<long>("kvant.chunk.stored", "By", "Bytes of chunks that were stored.");
    private static readonly Counter<long> s_raw = s_meter.CreateCounter<long>("kvant.chunk.raw", "By", "Bytes that the stored tokens take in 16-bit floats.");
    private static readonly Counter<long> s_puts = s_meter.CreateCounter<long>("kvant.chunk.puts", "{chunk}", "Chunks that were to be stored, by outcome.");
    private static readonly Counter<long> s_dropped = s_meter.CreateCounter<long>("kvant.queue.dropped", "{chunk}", "Chunks that found the queue full; they are tried again with the next.");
    private static readonly Counter<long> s_evicted = s_meter.CreateCounter<long>("kvant.store.evicted", "{chunk}", "Chunks that a store forgot to make room.");
    private static readonly Counter<long> s_recoded = s_meter.CreateCounter<long>("kvant.store.recoded", "{chunk}", "Chunks that a store coded again to fewer bits.");
    private static readonly UpDownCounter<long> s_queue = s_meter.CreateUpDownCounter<long>("kvant.queue.length", "{fork}", "Forks that wait to be written.");
    private static readonly Histogram<double> s_load = s_meter.CreateHistogram<double>("kvant.prefix.load", "s", "How long looking up and restoring a prefix took.");
    private static readonly Histogram<double> s_store = s_meter.CreateHistogram<double>("kvant.chunk.store", "s", "How long storing a chunk took.");

    public static void Restored(int lookedUp, int hit, int recoded, long bytes, ChunkMiss? miss, TimeSpan time)
    {
        s_lookedUp.Add(lookedUp);
        s_hit.Add(hit);
        s_hitRecoded.Add(recoded);
        s_loaded.Add(bytes);
        if (miss is { } reason)
            s_misses.Add(1, new KeyValuePair<string, object?>("reason", reason.ToString()));
        s_load.Record(time.TotalSeconds);
    }

    public static void Put(PutOutcome outcome, int bytes, long raw, TimeSpan time)
    {
        s_puts.Add(1, new KeyValuePair<string, object?>("outcome", outcome.ToString()));
        s_store.Record(time.TotalSeconds);
        if (outcome != PutOutcome.Stored)
            return;
        s_stored.Add(bytes);
        s_raw.Add(raw);
    }

    public static void Dropped(int chunks) => s_dropped.Add(chunks);

    public static void Queued(int forks) => s_queue.Add(forks);

    public static void Evicted(string store, int chunks = 1) => s_evicted.Add(chunks, new KeyValuePair<string, object?>("store", store));

    public static void Recoded(string store) => s_recoded.Add(1, new KeyValuePair<string, object?>("store", store));
}
