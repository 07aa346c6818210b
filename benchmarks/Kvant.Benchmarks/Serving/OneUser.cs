using System.Diagnostics;
using System.Globalization;
using System.Text;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Chat;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kvant.Benchmarks.Serving;

/// <summary>What one user waits for, through the client that many may use at once, beside a generator that nobody shares, in turn: the first token of a prompt, and those behind it. Both read the whole prompt, and say the same; where they do not it fails.</summary>
internal static class OneUser
{
    private const int Rounds = 15;
    private const int Tokens = 48;

    public static async Task<int> RunAsync(string path, int threads)
    {
        await using KvantChatClient client = new(new() { Model = path, Threads = threads, Caches = 1 });
        using LanguageModel model = LanguageModel.Open(path);
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        ChatTemplate template = ChatTemplate.Find(model.File) ?? throw new InvalidDataException("the model knows no conversation");
        List<double> first = [], firstAlone = [], each = [], eachAlone = [];
        long cached = 0;
        int same = 0;
        for (int round = 0; round < Rounds; round++)
        {
            // None begins as another does: the system prompt that a template writes by itself would be cached after the first.
            string system = $"{round * 7919} is your number.";
            string question = $"{round * 7919}: " + string.Join(' ', Enumerable.Range(0, 60).Select(i => (i * i * (round + 3)) % 977)) + " Tell a long story.";
            List<double> times = [];
            long start = Stopwatch.GetTimestamp();
            StringBuilder text = new();
            await foreach (ChatResponseUpdate part in client.GetStreamingResponseAsync([new(ChatRole.System, system), new(ChatRole.User, question)], new ChatOptions { MaxOutputTokens = Tokens }))
            {
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                text.Append(part.Text);
                cached += part.Contents.OfType<UsageContent>().Sum(usage => usage.Details.CachedInputTokenCount ?? 0);
            }

            first.Add(times[0]);
            each.Add((times[^3] - times[0]) / (times.Count - 3));
            using KvCache cache = new(KvCacheOptions.Preset("balanced", model.CacheGeometry));
            using WorkerTeam team = new(threads);
            using CompressedAttention attention = new(cache, team: team);
            using TextGenerator generator = new(model, tokenizer, attention, new DecoderOptions { Batch = 256, Arithmetic = Arithmetic.Fast }, team: team);
            times.Clear();
            start = Stopwatch.GetTimestamp();
            generator.Read(template.Encode(tokenizer, [new("system", system), new("user", question)]));
            StringBuilder textAlone = new();
            generator.Write(Tokens, piece =>
            {
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                textAlone.Append(piece);
            });
            same += text.ToString() == textAlone.ToString() ? 1 : 0;
            firstAlone.Add(times[0]);
            eachAlone.Add((times[^2] - times[0]) / (times.Count - 2));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"first token: {Median(first):f1} ms through the client, {Median(firstAlone):f1} ms alone; ratio of rounds {Ratio(first, firstAlone):f3}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"each other: {Median(each):f2} ms through the client, {Median(eachAlone):f2} ms alone; ratio of rounds {Ratio(each, eachAlone):f3}"));
        Console.WriteLine($"{same} of {Rounds} texts are the same; {cached} tokens of all prompts were cached");
        return same == Rounds && cached == 0 ? 0 : 1;
    }

    private static double Median(IEnumerable<double> times) => times.Order().ElementAt(Rounds / 2);

    private static double Ratio(List<double> a, List<double> b) => Median(a.Zip(b, (x, y) => x / y));
}
