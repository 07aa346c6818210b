using Kvant.Caching;
using Kvant.Conversations.Stores;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Tests.Formats;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Kvant.Chat.Tests;

public sealed class KvantChatClientTests : IDisposable
{
    private static readonly ChatMessage[] s_question = [new(ChatRole.System, "In the beginning God created the heaven and the earth."), new(ChatRole.User, "And the earth was without form, and void")];

    // So that a turn ends after some words.
    private const float EndBias = 5;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AnswersInPiecesAreTheAnswerInOne()
    {
        await using KvantChatClient client = Client();
        ChatOptions options = new() { MaxOutputTokens = 30 };
        ChatResponse whole = await client.GetResponseAsync(s_question, options);
        List<ChatResponseUpdate> parts = [];
        await foreach (ChatResponseUpdate part in client.GetStreamingResponseAsync(s_question, options))
            parts.Add(part);
        Assert.Equal(whole.Text, string.Concat(parts.Select(p => p.Text)));
        Assert.True(parts.Count > 10 && whole.Text.Length > 20);
        Assert.Equal(whole.FinishReason, parts[^1].FinishReason);
        Assert.Single(parts.Select(p => p.ResponseId).Distinct());
        UsageDetails usage = whole.Usage!;
        Assert.Equal((usage.InputTokenCount + usage.OutputTokenCount, 30), (usage.TotalTokenCount, usage.OutputTokenCount));
        Assert.Equal(0, usage.CachedInputTokenCount);
        // The second time all but the last token of the prompt is there.
        Assert.Equal(usage.InputTokenCount - 1, parts[^1].Contents.OfType<UsageContent>().Single().Details.CachedInputTokenCount);
        Assert.Equal(("kvant", "model"), (client.GetService<ChatClientMetadata>()!.ProviderName, client.GetService<ChatClientMetadata>()!.DefaultModelId));
    }

    [Fact]
    public async Task NextTurnReadsItsOwnTokensAlone()
    {
        await using KvantChatClient client = Client(ends: true);
        List<ChatMessage> messages = [.. s_question];
        long held = 0;
        for (int turn = 0; turn < 3; turn++)
        {
            ChatResponse answer = await client.GetResponseAsync(messages);
            Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
            Assert.InRange(answer.Usage!.OutputTokenCount!.Value, 2, 1000);
            // Everything up to the end of the last answer, as the model said it, is there.
            Assert.Equal(held, answer.Usage!.CachedInputTokenCount);
            held = answer.Usage.TotalTokenCount!.Value;
            messages.AddRange(answer.Messages);
            messages.Add(new(ChatRole.User, $"And God said, Let there be light {turn}"));
        }
    }

    [Fact]
    public async Task ConversationsThatTheClientRemembersNeedTheNewMessagesAlone()
    {
        await using KvantChatClient client = Client(ends: true);
        ChatResponse first = await client.GetResponseAsync(s_question, new() { ConversationId = "a" });
        Assert.Equal("a", first.ConversationId);
        ChatMessage next = new(ChatRole.User, "And the evening and the morning");
        ChatResponse second = await client.GetResponseAsync(next, new() { ConversationId = "a" });
        Assert.Equal(first.Usage!.TotalTokenCount, second.Usage!.CachedInputTokenCount);
        ChatResponse whole = await client.GetResponseAsync([.. s_question, .. first.Messages, next]);
        Assert.Equal(whole.Usage!.InputTokenCount, second.Usage.InputTokenCount);
        Assert.Equal(whole.Text, second.Text);
        Assert.Null(whole.ConversationId);
    }

    [Fact]
    public async Task ConversationGoesOnInAnotherProcessWhereItWasStored()
    {
        var store = new DiskChunkStore(_folder.File("store"));
        List<ChatMessage> messages = [new(ChatRole.User, string.Join(' ', Enumerable.Repeat("And the LORD spake unto Moses, saying, Speak unto the children of Israel", 30)))];
        string text;
        long prompt;
        await using (KvantChatClient client = Client(store))
        {
            ChatResponse answer = await client.GetResponseAsync(messages, new() { MaxOutputTokens = 40 });
            prompt = answer.Usage!.InputTokenCount!.Value;
            Assert.True(prompt > 600);
            messages.AddRange(answer.Messages);
            messages.Add(new(ChatRole.User, "Amen"));
            await client.FlushAsync();
            text = (await client.GetResponseAsync(messages, new() { MaxOutputTokens = 20 })).Text;
        }

        // Nothing of the first is there but the folder.
        await using KvantChatClient other = Client(store);
        ChatResponse again = await other.GetResponseAsync(messages, new() { MaxOutputTokens = 20 });
        Assert.InRange(again.Usage!.CachedInputTokenCount!.Value, prompt - 256 - 64, prompt);
        Assert.Equal(text, again.Text);
        Assert.Equal(again.Usage.CachedInputTokenCount, other.StoreStatistics!.TokensHit);
    }

    [Fact]
    public async Task BeginningsAreShared()
    {
        await using KvantChatClient client = Client();
        await client.GetResponseAsync(s_question, new() { MaxOutputTokens = 5 });
        ChatResponse other = await client.GetResponseAsync([s_question[0], new(ChatRole.User, "Whence comest thou?")], new() { MaxOutputTokens = 5 });
        Assert.InRange(other.Usage!.CachedInputTokenCount!.Value, 20, other.Usage.InputTokenCount!.Value - 5);
    }

    [Fact]
    public async Task ConversationsThatRunShareWhatTheyHaveInCommon()
    {
        using var pool = new PagePool();
        await using KvantChatClient client = new(new() { Model = Model(), Threads = 1, Window = 64, Sinks = 4, Pool = pool });
        ChatMessage system = new(ChatRole.System, string.Join(' ', Enumerable.Repeat("And the LORD spake unto Moses, saying, Speak unto the children of Israel", 40)));
        List<IAsyncEnumerator<ChatResponseUpdate>> running = [];
        List<long> bytes = [];
        for (int i = 0; i < 8; i++)
        {
            IAsyncEnumerator<ChatResponseUpdate> answer = client.GetStreamingResponseAsync([system, new(ChatRole.User, $"Question {i}")], new() { MaxOutputTokens = 1 + (i == 0 ? 300 : 2) }).GetAsyncEnumerator();
            Assert.True(await answer.MoveNextAsync());
            running.Add(answer);
            bytes.Add(pool.UsedBytes);
        }

        // The prompt once; each of the others has a window of its own and what it says.
        Assert.InRange((bytes[^1] - bytes[0]) / (running.Count - 1), 0, bytes[0] / 2);
        foreach (IAsyncEnumerator<ChatResponseUpdate> answer in running)
        {
            UsageDetails? usage = null;
            while (await answer.MoveNextAsync())
                usage = answer.Current.Contents.OfType<UsageContent>().SingleOrDefault()?.Details ?? usage;
            Assert.True(answer == running[0] ? usage!.CachedInputTokenCount == 0 : usage!.InputTokenCount - usage.CachedInputTokenCount < 40, $"{usage!.CachedInputTokenCount} of {usage.InputTokenCount}");
            await answer.DisposeAsync();
        }
    }

    [Fact]
    public async Task StopSequencesEndTheAnswerBeforeThem()
    {
        await using KvantChatClient client = Client();
        string whole = (await client.GetResponseAsync(s_question, new() { MaxOutputTokens = 40 })).Text;
        string stop = whole.Substring(whole.Length / 2, 5);
        ChatResponse cut = await client.GetResponseAsync(s_question, new() { MaxOutputTokens = 40, StopSequences = [stop, "never"] });
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], cut.Text);
        Assert.Equal(ChatFinishReason.Stop, cut.FinishReason);
    }

    [Fact]
    public async Task CancelledAnswerStopsAndTheClientGoesOn()
    {
        await using KvantChatClient client = Client();
        string whole = (await client.GetResponseAsync(s_question, new() { MaxOutputTokens = 40 })).Text;
        using var cancellation = new CancellationTokenSource();
        int parts = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(s_question, new() { MaxOutputTokens = 4000 }, cancellation.Token))
            {
                if (++parts == 5)
                    await cancellation.CancelAsync();
            }
        });
        // Who stops listening stops it, too.
        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(s_question, new() { MaxOutputTokens = 4000 }))
            break;
        Assert.Equal(whole, (await client.GetResponseAsync(s_question, new() { MaxOutputTokens = 40 })).Text);
    }

    [Fact]
    public async Task RequestsAtOnceAnswerAsEachAlone()
    {
        await using KvantChatClient client = Client();
        ChatMessage[] questions = [.. Enumerable.Range(0, 6).Select(i => new ChatMessage(ChatRole.User, $"And {"Adam Noah Abram Isaac Jacob Moses".Split(' ')[i]} said unto him"))];
        ChatOptions options = new() { MaxOutputTokens = 15 };
        string[] together = [.. (await Task.WhenAll(questions.Select(q => client.GetResponseAsync(q, options)))).Select(r => r.Text)];
        await using KvantChatClient alone = Client();
        for (int i = 0; i < questions.Length; i++)
            Assert.Equal((await alone.GetResponseAsync(questions[i], options)).Text, together[i]);
        Assert.InRange(together.Distinct().Count(), 2, 6);
    }

    [Fact]
    public async Task WhatIsNotUnderstoodIsRefused()
    {
        await using KvantChatClient client = Client();
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("x", new() { Tools = [AIFunctionFactory.Create(() => 1)] }));
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("x", new() { ResponseFormat = ChatResponseFormat.Json }));
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync([new(ChatRole.Tool, "x")]));
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync([new(ChatRole.User, [new DataContent(new byte[1], "image/png")])]));
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync([]));
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("x", new() { StopSequences = [""] }));
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("x", new() { AdditionalProperties = new() { ["min_p"] = "much" } }));
        ChatModel.Write(_folder.File("plain.gguf"), template: null);
        Assert.Contains("llama3, chatml", Assert.Throws<InvalidDataException>(() => new KvantChatClient(new() { Model = _folder.File("plain.gguf") })).Message, StringComparison.Ordinal);
        Assert.Contains("CopyWeights", Assert.Throws<ArgumentException>(() => new KvantChatClient(new() { Model = Model(), CopyWeights = true, Arithmetic = Codecs.Arithmetic.Exact })).Message, StringComparison.Ordinal);
        Assert.Contains("neither a preset", Assert.Throws<ArgumentException>(() => new KvantChatClient(new() { Model = Model(), Policy = "none" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ConversationsThatWereUsedLastAreRemembered()
    {
        await using KvantChatClient client = new(new() { Model = Model(), Threads = 1, Conversations = 2 });
        foreach (string name in (string[])["a", "b", "a", "c"])
            await TokensAsync(name);
        // A question of its own has few tokens, one behind others has more.
        long alone = await TokensAsync("new");
        Assert.Equal((true, alone), (await TokensAsync("c") > alone, await TokensAsync("a")));

        async Task<long> TokensAsync(string name) => (await client.GetResponseAsync("And God said", new() { ConversationId = name, MaxOutputTokens = 3 })).Usage!.InputTokenCount!.Value;
    }

    [Fact]
    public async Task SecondTurnOfAConversationWhileOneIsAnsweredIsRefused()
    {
        await using KvantChatClient client = Client();
        ChatOptions options = new() { ConversationId = "a", MaxOutputTokens = 3000 };
        await using (IAsyncEnumerator<ChatResponseUpdate> first = client.GetStreamingResponseAsync(s_question, options).GetAsyncEnumerator())
        {
            Assert.True(await first.MoveNextAsync());
            Assert.Contains("'a'", (await Assert.ThrowsAsync<InvalidOperationException>(() => client.GetResponseAsync("And God said", options))).Message, StringComparison.Ordinal);
            Assert.NotEmpty((await client.GetResponseAsync("And God said", new() { ConversationId = "b", MaxOutputTokens = 3 })).Text);
        }

        // Nor is one that is refused in the way of the next.
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync([], options));
        Assert.NotEmpty((await client.GetResponseAsync(s_question, new() { ConversationId = "a", MaxOutputTokens = 3 })).Text);
    }

    [Fact]
    public async Task PolicyOfAnotherModelIsRefused()
    {
        CachePolicy policy;
        using (LanguageModel model = LanguageModel.Open(Model()))
            policy = new() { Geometry = model.CacheGeometry, Layers = LayerPolicy.Uniform(model.Config.Layers, LayerSpecs.Parse("q8")), Sinks = 4, Window = 64, SourceHash = CachePolicyFile.HashOf(Model()) };
        await using (KvantChatClient client = With(policy))
            Assert.NotEmpty((await client.GetResponseAsync(s_question, new() { MaxOutputTokens = 3 })).Text);
        Assert.Contains("another model", Assert.Throws<InvalidDataException>(() => With(policy with { SourceHash = new string('0', 64) })).Message, StringComparison.Ordinal);
        CacheGeometry more = policy.Geometry with { KvHeads = policy.Geometry.KvHeads * 2, QueryHeads = policy.Geometry.KvHeads * 2 };
        Assert.Contains("here are", Assert.Throws<InvalidDataException>(() => With(policy with { Geometry = more, SourceHash = null })).Message, StringComparison.Ordinal);
        Assert.Throws<FormatException>(() => new KvantChatClient(new() { Model = Model(), Policy = "q8; balanced" }));

        KvantChatClient With(CachePolicy chosen)
        {
            CachePolicyFile.Save(_folder.File("policy.json"), chosen);
            return new(new() { Model = Model(), Threads = 1, Policy = _folder.File("policy.json") });
        }
    }

    [Fact]
    public async Task ContainerHasOneClientForAll()
    {
        ServiceCollection services = new();
        services.AddKvantChatClient(new() { Model = Model() });
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Same(provider.GetRequiredService<IChatClient>(), provider.GetRequiredService<KvantChatClient>());
    }

    private KvantChatClient Client(IChunkStore? store = null, bool ends = false) => new(new()
    {
        Model = Model(),
        Store = store,
        Threads = 1,
        // It never learnt to end a turn.
        Sampling = ends ? new SamplerOptions { LogitBias = new Dictionary<int, float> { [ChatModel.End] = EndBias } } : new(),
    });

    private string Model()
    {
        string path = _folder.File("model.gguf");
        if (!File.Exists(path))
            ChatModel.Write(path);
        return path;
    }
}
