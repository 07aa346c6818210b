using System.Diagnostics;
using System.Globalization;
using Kvant.Caching;
using Kvant.Chat;
using Kvant.Conversations.Stores;
using Microsoft.Extensions.AI;

namespace Kvant.Benchmarks;

/// <summary>Conversations that share a system prompt of about 2,048 tokens: how long each waits for its first token, what memory and disk take; beside one without a store, and one that another process stored.</summary>
internal static class SharedPrompt
{
    /// <summary>Runs it.</summary>
    /// <param name="model">A model that knows conversations.</param>
    /// <param name="conversations">How many there are at once.</param>
    public static async Task<int> RunAsync(string model, int conversations)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("kvant-shared-");
        try
        {
            ChatMessage system = new(ChatRole.System, string.Join(' ', Enumerable.Range(1, 110).Select(i => $"Rule {i}: whoever asks for house {i} is told number {i * 37 % 101}.")));
            double alone, restored;
            long prompt;
            await using (KvantChatClient client = new(new() { Model = model }))
                (alone, prompt, _) = await FirstTokenAsync(client, system, 0);
            using var pool = new PagePool();
            await using (KvantChatClient client = new(new() { Model = model, Store = new DiskChunkStore(folder.FullName), Pool = pool }))
            {
                (_, _, IAsyncEnumerator<ChatResponseUpdate> first) = await FirstTokenAsync(client, system, 0);
                await client.FlushAsync();
                long one = pool.UsedBytes;
                List<double> seconds = [];
                List<IAsyncEnumerator<ChatResponseUpdate>> open = [first];
                for (int i = 1; i < conversations; i++)
                {
                    (double time, _, IAsyncEnumerator<ChatResponseUpdate> answer) = await FirstTokenAsync(client, system, i);
                    seconds.Add(time);
                    open.Add(answer);
                }

                seconds.Sort();
                await client.FlushAsync();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{prompt} tokens of prompt; first token alone after {alone:f2} s; of {conversations - 1} others at once after {seconds[seconds.Count / 2]:f3} s (median), {seconds[^1]:f3} s (slowest)"));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"memory: {one / 1e6:f1} MB for one, {(pool.UsedBytes - one) / 1e6 / (conversations - 1):f2} MB for each other; disk: {new DiskChunkStore(folder.FullName).Verify().Bytes / 1e6:f1} MB in {new DiskChunkStore(folder.FullName).Verify().Files} chunks"));
                foreach (IAsyncEnumerator<ChatResponseUpdate> answer in open)
                    await answer.DisposeAsync();
            }

            await using (KvantChatClient client = new(new() { Model = model, Store = new DiskChunkStore(folder.FullName) }))
            {
                (restored, _, IAsyncEnumerator<ChatResponseUpdate> answer) = await FirstTokenAsync(client, system, conversations);
                await answer.DisposeAsync();
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"from the disk, in a client that has nothing in memory: {restored:f2} s"));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<(double Seconds, long Tokens, IAsyncEnumerator<ChatResponseUpdate> Answer)> FirstTokenAsync(KvantChatClient client, ChatMessage system, int number)
    {
        long start = Stopwatch.GetTimestamp(), tokens = 0;
        IAsyncEnumerator<ChatResponseUpdate> answer = client.GetStreamingResponseAsync([system, new(ChatRole.User, $"House {number}?")], new() { MaxOutputTokens = 2 }).GetAsyncEnumerator();
        await answer.MoveNextAsync();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        while (number == 0 && await answer.MoveNextAsync())
            tokens = answer.Current.Contents.OfType<UsageContent>().SingleOrDefault()?.Details.InputTokenCount ?? tokens;
        return (seconds, tokens, answer);
    }
}
