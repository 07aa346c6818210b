using Kvant.Conversations.Stores;
using Kvant.Models.Tests.RealModels;
using Kvant.Tests.Formats;
using Microsoft.Extensions.AI;

namespace Kvant.Chat.Tests.RealModels;

/// <summary>A real conversation, where a model is at hand: broken off and gone on with elsewhere.</summary>
public sealed class LongConversationTests : IDisposable
{
    private const int ChunkTokens = 256;
    private const int Window = 64;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ItGoesOnInAnotherProcessAsIfNothingHadHappened()
    {
        string model = RealModel.Find(RealModel.SmolLm2);
        List<ChatMessage> messages = [new(ChatRole.System, "You answer in one short sentence. " + string.Join(' ', Enumerable.Range(1, 120).Select(i => $"Fact {i}: the number of house {i} is {i * 37 % 101}."))), new(ChatRole.User, "What is the capital of France?")];
        ChatOptions options = new() { MaxOutputTokens = 24 };
        var store = new DiskChunkStore(_folder.Root);
        long held;
        string unbroken;
        await using (KvantChatClient client = new(new() { Model = model, Store = store, Threads = 2 }))
        {
            ChatResponse answer = await client.GetResponseAsync(messages, options);
            messages.AddRange(answer.Messages);
            messages.Add(new(ChatRole.User, "And of Italy?"));
            await client.FlushAsync();
            held = answer.Usage!.TotalTokenCount!.Value;
            ChatResponse next = await client.GetResponseAsync(messages, options);
            Assert.Equal(held, next.Usage!.CachedInputTokenCount);
            unbroken = next.Text;
        }

        await using KvantChatClient other = new(new() { Model = model, Store = new DiskChunkStore(_folder.Root), Threads = 2 });
        ChatResponse again = await other.GetResponseAsync(messages, options);
        Assert.InRange(held - again.Usage!.CachedInputTokenCount!.Value, 0, ChunkTokens + Window);
        Assert.Equal(unbroken, again.Text);
    }

    [Fact]
    public async Task CopiedWeightsAnswerManyAsEachAlone()
    {
        await using KvantChatClient client = new(new() { Model = RealModel.Find(RealModel.SmolLm2), Threads = 2, CopyWeights = true });
        string[] questions = ["What is the capital of France?", "Name a river.", "Why is the sky blue?"], alone = new string[questions.Length];
        ChatOptions options = new() { MaxOutputTokens = 12 };
        for (int i = 0; i < questions.Length; i++)
            alone[i] = (await client.GetResponseAsync(questions[i], options)).Text;
        Assert.Equal(alone, (await Task.WhenAll(questions.Select(q => client.GetResponseAsync(q, options)))).Select(a => a.Text));
        Assert.Contains("Paris", alone[0], StringComparison.Ordinal);
    }
}
