using System.Diagnostics.Metrics;

namespace Kvant.Chat;

/// <summary>The instruments of the meter <c>Kvant.Chat</c>; docs/serving.md lists them.</summary>
internal static class ChatMetrics
{
    /// <summary>The meter's name.</summary>
    public const string Name = "Kvant.Chat";

    private static readonly Meter s_meter = new(Name);
    private static readonly Counter<long> s_requests = s_meter.CreateCounter<long>("kvant.chat.requests", "{request}", "Requests that ended, by how.");
    private static readonly Counter<long> s_tokens = s_meter.CreateCounter<long>("kvant.chat.tokens", "{token}", "Tokens that were read, that were cached and that were written.");
    private static readonly Counter<long> s_putAway = s_meter.CreateCounter<long>("kvant.chat.put_away", "{sequence}", "Sequences that made room for others and came back later.");
    private static readonly Counter<long> s_forgotten = s_meter.CreateCounter<long>("kvant.chat.forgotten", "{sequence}", "Idle sequences that made room for others.");
    private static readonly UpDownCounter<long> s_waiting = s_meter.CreateUpDownCounter<long>("kvant.chat.waiting", "{request}", "Requests that wait for their turn.");
    private static readonly UpDownCounter<long> s_running = s_meter.CreateUpDownCounter<long>("kvant.chat.running", "{sequence}", "Sequences that are read or written, those that were put away among them.");
    private static readonly Histogram<double> s_first = s_meter.CreateHistogram<double>("kvant.chat.first_token", "s", "From a request to its first token.");
    private static readonly Histogram<double> s_step = s_meter.CreateHistogram<double>("kvant.chat.step", "s", "A step of all sequences that are written.");
    private static readonly Histogram<double> s_piece = s_meter.CreateHistogram<double>("kvant.chat.piece", "s", "Reading a piece of a prompt.");

    public static void Ended(string how) => s_requests.Add(1, new KeyValuePair<string, object?>("end", how));

    public static void Tokens(string kind, int count) => s_tokens.Add(count, new KeyValuePair<string, object?>("kind", kind));

    public static void PutAway() => s_putAway.Add(1);

    public static void Forgotten() => s_forgotten.Add(1);

    public static void Waiting(int change) => s_waiting.Add(change);

    public static void Running(int change) => s_running.Add(change);

    public static void First(TimeSpan time) => s_first.Record(time.TotalSeconds);

    public static void Step(TimeSpan time) => s_step.Record(time.TotalSeconds);

    public static void Piece(TimeSpan time) => s_piece.Record(time.TotalSeconds);
}
