using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Kvant.Caching;
using Kvant.Conversations.Stores;

namespace Kvant.Benchmarks.Serving;

/// <summary>Conversations through a server that share a system prompt of about 2,048 tokens: when the first token of each comes, and what memory and disk take; and one that is broken off by kill -9. Each fails where what it is for is not so.</summary>
internal static class ServedPrompts
{
    // What is behind the system prompt, its beginning that is the same for many not counted.
    private const int OwnTokens = 32;

    // A chunk, and the window that is not stored.
    private const int MostReadAgain = 256 + KvCacheOptions.DefaultWindow;

    private static readonly string s_rules = string.Join(' ', Enumerable.Range(1, 108).Select(i => $"Rule {i}: whoever asks for house {i} is told number {i * 37 % 101}."));

    /// <summary>Many conversations on one prompt.</summary>
    public static async Task<int> SharedAsync(string model, int conversations)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("kvant-served-");
        try
        {
            double without;
            bool good = true;
            await using (ServedProcess server = await ServedProcess.StartAsync(model))
                without = (await FirstTokenAsync(server, 0)).Seconds;
            await using (ServedProcess server = await ServedProcess.StartAsync(model, folder.FullName, caches: conversations, queue: conversations))
            {
                (double first, int tokens, _) = await FirstTokenAsync(server, 0);
                await server.FlushAsync();
                double one = await server.MetricAsync("kvant_serving_cache_bytes");
                FirstToken[] others = new FirstToken[conversations / 2];
                for (int i = 0; i < others.Length; i++)
                    others[i] = await FirstTokenAsync(server, 1 + i);
                FirstToken[] atOnce = await Task.WhenAll(Enumerable.Range(1 + others.Length, conversations - 1 - others.Length).Select(i => FirstTokenAsync(server, i)));
                double[] oneByOne = [.. others.Select(o => o.Seconds)], together = [.. atOnce.Select(o => o.Seconds)];
                await server.FlushAsync();
                double all = await server.MetricAsync("kvant_serving_cache_bytes");
                DiskReport disk = new DiskChunkStore(folder.FullName).Verify();
                Array.Sort(oneByOne);
                Array.Sort(together);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"first token without the store after {without:f2} s, of the first conversation with it {first:f2} s"));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"of {oneByOne.Length} others one after the other {oneByOne[oneByOne.Length / 2]:f3} s (median), {oneByOne[^1]:f3} s (slowest); of {together.Length} that came at once {together[together.Length / 2]:f2} s (median), {together[^1]:f2} s (slowest)"));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"memory: {one / 1e6:f1} MB for one, {(all - one) / 1e6 / (conversations - 1):f2} MB for each other; disk: {disk.Bytes / 1e6:f1} MB in {disk.Files} chunks"));
                int most = others.Concat(atOnce).Max(o => o.Tokens - o.Cached);
                Console.WriteLine($"of {tokens} tokens and more each of the others read {most} at most");
                good = Require(most <= OwnTokens, "somebody read more than what is its own") & Require((all - one) / (conversations - 1) < one / 2, "another conversation takes half as much memory as the first, or more")
                    & Require(disk.Files >= 1 && disk.Files <= tokens / 256, "the disk has no chunk, or one twice") & Require(oneByOne[oneByOne.Length / 2] < without, "the first token comes no sooner");
            }

            await using ServedProcess again = await ServedProcess.StartAsync(model, folder.FullName);
            FirstToken fromDisk = await FirstTokenAsync(again, conversations);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"in a process that has it on its disk only: {fromDisk.Seconds:f2} s, {fromDisk.Cached} tokens restored"));
            return good & Require(fromDisk.Tokens - fromDisk.Cached <= MostReadAgain + OwnTokens, "the disk had less than all chunks") ? 0 : 1;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A conversation of 4,096 tokens that is broken off.</summary>
    public static async Task<int> KilledAsync(string model)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("kvant-served-");
        try
        {
            JsonArray first = [Message("system", string.Join(' ', Enumerable.Range(1, 210).Select(i => $"Rule {i}: whoever asks for house {i} is told number {i * 37 % 101}."))), Message("user", "What is the number of house 17?")];
            string said, unbroken, next;
            int held, whole, cached;
            await using (ServedProcess server = await ServedProcess.StartAsync(model, Path.Combine(folder.FullName, "unbroken")))
            {
                (_, said, _, held) = await server.AskAsync(Ask(first));
                (_, unbroken, whole, _) = await server.AskAsync(Ask(Next(first, said)));
            }

            ServedProcess killed = await ServedProcess.StartAsync(model, Path.Combine(folder.FullName, "store"));
            string saidAgain = (await killed.AskAsync(Ask(first))).Text;
            await killed.FlushAsync();
            killed.Kill();
            await using (ServedProcess again = await ServedProcess.StartAsync(model, Path.Combine(folder.FullName, "store")))
                (_, next, cached, _) = await again.AskAsync(Ask(Next(first, said)));
            Console.WriteLine($"a conversation of {held} tokens; the next turn found {whole} of them in memory, and after kill -9 and a new start {cached}: {held - cached} are read again");
            Console.WriteLine($"first answer the same: {said == saidAgain}; next answer the same as without the break: {unbroken == next}\n  {next.ReplaceLineEndings(" ")}");
            return said == saidAgain && unbroken == next && held - cached <= MostReadAgain ? 0 : 1;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static JsonObject Ask(JsonArray messages) => new() { ["messages"] = messages.DeepClone(), ["temperature"] = 0, ["max_tokens"] = 32 };

    private static JsonArray Next(JsonArray messages, string said)
    {
        JsonArray next = messages.DeepClone().AsArray();
        next.Add(Message("assistant", said));
        next.Add(Message("user", "And of house 18?"));
        return next;
    }

    private static JsonObject Message(string role, string content) => new JsonObject { ["role"] = role, ["content"] = content };

    private static bool Require(bool holds, string otherwise)
    {
        if (!holds)
            Console.WriteLine($"FAILED: {otherwise}");
        return holds;
    }

    private static async Task<FirstToken> FirstTokenAsync(ServedProcess server, int number)
    {
        JsonObject body = new() { ["messages"] = new JsonArray(Message("system", s_rules), Message("user", $"House {number}?")), ["temperature"] = 0, ["max_tokens"] = 2, ["stream_options"] = new JsonObject { ["include_usage"] = true } };
        long start = Stopwatch.GetTimestamp();
        using HttpResponseMessage response = await server.StreamAsync(body, default);
        response.EnsureSuccessStatusCode();
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync());
        await reader.ReadLineAsync();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        string usage = (await reader.ReadToEndAsync()).Split("\n\n").Last(part => part.Contains("\"usage\":{", StringComparison.Ordinal));
        JsonNode counts = JsonNode.Parse(usage[usage.IndexOf('{', StringComparison.Ordinal)..])!["usage"]!;
        return new FirstToken(seconds, (int)counts["prompt_tokens"]!, (int)counts["prompt_tokens_details"]!["cached_tokens"]!);
    }

    private sealed record FirstToken(double Seconds, int Tokens, int Cached);
}
