using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kvant.Caching;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;

namespace Kvant.Benchmarks.Serving;

/// <summary>
/// A server under load: connections that ask one question after the other, a third of which hang up in the middle. Afterwards every answer is compared with that of the same request alone, on a server that has nothing else to do.
/// Questions begin with a number of their own, so that none finds anything cached and the text must be the same to the letter; "shared" gives them one system prompt, where what was cached may change the last bits. It fails where an answer is another, an error is no 429, nobody is answered or hangs up, caches take more than they may, or, in a minute or more, the server's memory grows.
/// </summary>
internal static class ServerLoad
{
    private const int MostTokens = 40;

    // Of the second half of the time: what leaks grows for ever. A process that is young grows anyway.
    private const double MostGrowth = 1.15;
    private const int SecondsToJudge = 60;

    private static string s_path = "";

    private static readonly string s_rules = string.Join(' ', Enumerable.Range(1, 20).Select(i => $"Rule {i}: whoever asks for house {i} is told number {i * 37 % 101}."));

    private static readonly string[] s_manners = ["please", "in verse", "with its garden", "as a child would", "and of its owner"];

    public static async Task<int> RunAsync(string model, int seconds, int connections, bool shared)
    {
        // One that knows no conversation goes on with a text.
        // Memory for some of those that run, so that idle conversations go, requests wait and some are put away.
        long limit;
        using (LanguageModel opened = LanguageModel.Open(model))
        using (KvCache probe = new(KvCacheOptions.Preset("balanced", opened.CacheGeometry)))
        {
            s_path = ChatTemplate.Find(opened.File) is null ? "/v1/completions" : "/v1/chat/completions";
            limit = 6 * probe.BytesToAppend(256);
        }

        ConcurrentBag<(int Number, string Text, int Cached)> answers = [];
        ConcurrentBag<string> errors = [];
        List<long> memory = [];
        double mostCache = 0;
        long refused = 0, cancelled = 0, asked = 0;
        await using (ServedProcess server = await ServedProcess.StartAsync(model, memory: limit, queue: connections / 2))
        {
            long start = Stopwatch.GetTimestamp();
            Task[] clients = [.. Enumerable.Range(0, connections).Select(_ => Task.Run(ClientAsync))];
            while (!Task.WhenAll(clients).IsCompleted)
            {
                await Task.WhenAny(Task.WhenAll(clients), Task.Delay(1000));
                memory.Add(server.Memory);
                mostCache = Math.Max(mostCache, await server.MetricAsync("kvant_serving_cache_bytes"));
            }

            await Task.WhenAll(clients);
            string page = await server.Client.GetStringAsync("/metrics");
            foreach (string line in page.Split('\n').Where(l => l.StartsWith("kvant_chat_requests", StringComparison.Ordinal) || l.StartsWith("kvant_chat_put_away", StringComparison.Ordinal) || l.StartsWith("kvant_chat_forgotten", StringComparison.Ordinal) || l.StartsWith("kvant_chat_tokens", StringComparison.Ordinal)))
                Console.WriteLine($"  {line}");

            async Task ClientAsync()
            {
                while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
                {
                    int number = (int)Interlocked.Increment(ref asked);
                    try
                    {
                        if (number % 3 == 0)
                        {
                            if (await HangUpAsync(server, number))
                                Interlocked.Increment(ref cancelled);
                            else
                                Interlocked.Increment(ref refused);
                            continue;
                        }

                        (HttpStatusCode status, string text, int cached, _) = number % 3 == 1 ? await server.AskAsync(Question(number, shared), s_path) : await WholeStreamAsync(server, number);
                        if (status == HttpStatusCode.OK)
                            answers.Add((number, text, cached));
                        else if (status == HttpStatusCode.TooManyRequests)
                            Interlocked.Increment(ref refused);
                        else
                            errors.Add($"{number}: {(int)status} {text}");
                        if (status == HttpStatusCode.TooManyRequests)
                            await Task.Delay(200);
                    }
                    catch (Exception e)
                    {
                        errors.Add($"{number}: {e.GetType().Name} {e.Message}");
                    }
                }
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{connections} connections, {seconds} s: {answers.Count} answers, {cancelled} that hung up, {refused} refusals (429), {errors.Count} errors; {answers.Count(a => a.Cached > 0)} answers had cached tokens"));
        foreach (string error in errors.Take(5))
            Console.WriteLine($"  {error}");
        long[] half = [memory[memory.Count / 4], memory[memory.Count / 2], memory[memory.Count * 3 / 4], memory[^1]];
        Console.WriteLine($"memory of the server after a quarter, a half, three quarters and all of the time: {string.Join(", ", half.Select(b => $"{b / 1e6:f0} MB"))}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"caches took {mostCache / 1e6:f1} MB at most where {limit / 1e6:f1} MB were allowed"));
        bool good = await CompareAsync(model, [.. answers], shared);
        return Require(good, "an answer is another than alone") & Require(errors.IsEmpty, "there were errors") & Require(!answers.IsEmpty && cancelled > 0, "nobody was answered, or nobody hung up")
            & Require(mostCache > 0 && mostCache <= limit, "the caches took nothing, or more than they may") & Require(seconds < SecondsToJudge || half[3] <= half[1] * MostGrowth, "the server's memory grows") ? 0 : 1;

        static bool Require(bool holds, string otherwise)
        {
            if (!holds)
                Console.WriteLine($"FAILED: {otherwise}");
            return holds;
        }

        async Task<(HttpStatusCode, string, int, int)> WholeStreamAsync(ServedProcess server, int number)
        {
            JsonObject body = Question(number, shared);
            body["stream_options"] = new JsonObject { ["include_usage"] = true };
            using HttpResponseMessage response = await server.StreamAsync(body, default, s_path);
            string all = await response.Content.ReadAsStringAsync();
            if (!response.IsSuccessStatusCode)
                return (response.StatusCode, all, 0, 0);
            if (!all.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal))
                return (HttpStatusCode.InternalServerError, all, 0, 0);
            StringBuilder text = new();
            int cached = 0;
            foreach (string data in all.Split("\n\n")[..^2])
            {
                JsonNode part = JsonNode.Parse(data["data: ".Length..])!;
                if (part["choices"]!.AsArray() is [{ } choice, ..])
                    text.Append((string?)(choice["text"] ?? choice["delta"]?["content"]));
                cached = (int?)part["usage"]?["prompt_tokens_details"]?["cached_tokens"] ?? cached;
            }

            return (response.StatusCode, text.ToString(), cached, 0);
        }

        // Reads some pieces of a long answer and goes; false where it was refused.
        async Task<bool> HangUpAsync(ServedProcess server, int number)
        {
            using CancellationTokenSource stop = new();
            JsonObject body = Question(number, shared);
            body["max_tokens"] = 1000;
            try
            {
                using HttpResponseMessage response = await server.StreamAsync(body, stop.Token, s_path);
                if (response.StatusCode == HttpStatusCode.TooManyRequests)
                    return false;
                response.EnsureSuccessStatusCode();
                using StreamReader reader = new(await response.Content.ReadAsStreamAsync(stop.Token));
                for (int lines = 0; lines < 2 * (number % MostTokens) && await reader.ReadLineAsync(stop.Token) is not null; lines++)
                {
                }

                await stop.CancelAsync();
            }
            catch (OperationCanceledException)
            {
                // As wanted.
            }

            return true;
        }
    }

    private static async Task<bool> CompareAsync(string model, (int Number, string Text, int Cached)[] answers, bool shared)
    {
        await using ServedProcess alone = await ServedProcess.StartAsync(model, caches: 1);
        Dictionary<int, string> wanted = [];
        foreach ((int number, _, _) in answers)
            wanted[number] = (await alone.AskAsync(Question(number, shared), s_path)).Text;
        int equal = answers.Count(a => a.Text == wanted[a.Number]);
        int distinct = wanted.Values.Distinct().Count();
        // What was cached changes bits, so a text may go on otherwise; it may never be the text of another request.
        int others = answers.Count(a => a.Text != wanted[a.Number] && wanted.Any(w => w.Key != a.Number && w.Value == a.Text));
        Console.WriteLine($"{equal} of {answers.Length} answers are to the letter those of the same requests alone ({distinct} different texts); {others} are another's");
        return shared ? others == 0 : equal == answers.Length;
    }

    private static JsonObject Question(int number, bool shared)
    {
        string system = shared ? s_rules : $"{number}. You answer in one sentence.";
        string user = $"Tell me of house {number}, {s_manners[number % s_manners.Length]}. " + string.Join(' ', Enumerable.Repeat("It is late.", number % 17));
        return new()
        {
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "system", ["content"] = system }, new JsonObject { ["role"] = "user", ["content"] = user }),
            ["prompt"] = $"{system} {user}",
            ["temperature"] = number % 2,
            ["seed"] = number,
            ["max_tokens"] = 5 + (number * 7 % MostTokens),
        };
    }
}
