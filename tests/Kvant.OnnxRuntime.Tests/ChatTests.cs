using Kvant.Chat;
using Kvant.Chat.Tests;
using Kvant.Conversations.Stores;
using Kvant.Tests.Formats;
using Microsoft.Extensions.AI;

namespace Kvant.OnnxRuntime.Tests;

public sealed class ChatTests
{
    private static readonly ChatMessage[] s_first = [new(ChatRole.User, string.Concat(Enumerable.Repeat("Call me what you like, but tell me of the sea and of all that is in it. ", 14)))];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DecoderAnswersAsTheModelOfTheFileDoes(bool cut)
    {
        using var folder = new TemporaryFolder();
        string gguf = folder.File("model.gguf");
        ChatModel.Write(gguf);
        using OnnxDecoder decoder = cut ? CutDecoder.Open(Mini.Export("group"), Mini.Single) : CompressedPast.Open(Mini.Export("plain"), Mini.Single);
        KvantChatOptions options = new() { Model = gguf, Policy = "quality", MaxOutputTokens = 30, Threads = 1 };
        await using KvantChatClient client = decoder.AsChatClient(options), own = new(options);
        ChatResponse found = await client.GetResponseAsync(s_first), wanted = await own.GetResponseAsync(s_first);
        Assert.Equal(wanted.Text, found.Text);
        Assert.Equal(wanted.Usage!.OutputTokenCount, found.Usage!.OutputTokenCount);

        // The next turn reads its own tokens alone; many at once are answered as each alone.
        ChatMessage[] second = [.. s_first, .. found.Messages, new(ChatRole.User, "And of the land?")];
        ChatResponse[] answers = await Task.WhenAll(client.GetResponseAsync(second), client.GetResponseAsync(s_first), client.GetResponseAsync(s_first));
        Assert.True(answers[0].Usage!.CachedInputTokenCount > found.Usage.InputTokenCount / 2, $"{answers[0].Usage!.CachedInputTokenCount} tokens were cached.");
        Assert.Equal(found.Text, answers[1].Text);
        Assert.Equal(found.Text, answers[2].Text);
    }

    [Fact]
    public async Task ConversationsOutliveTheClient()
    {
        using var folder = new TemporaryFolder();
        string gguf = folder.File("model.gguf");
        ChatModel.Write(gguf);
        using CutDecoder decoder = CutDecoder.Open(Mini.Export("group"), Mini.Single);
        KvantChatOptions options = new() { Model = gguf, Window = 64, Sinks = 4, Store = new MemoryChunkStore(64 << 20), MaxOutputTokens = 10, Threads = 1 };
        string text;
        await using (KvantChatClient client = decoder.AsChatClient(options))
        {
            text = (await client.GetResponseAsync(s_first)).Text;
            await client.FlushAsync();
        }

        await using KvantChatClient later = decoder.AsChatClient(options);
        ChatResponse again = await later.GetResponseAsync(s_first);
        Assert.True(again.Usage!.CachedInputTokenCount >= 256, $"{again.Usage!.CachedInputTokenCount} of {again.Usage.InputTokenCount} tokens were cached.");
        Assert.Equal(text, again.Text);
    }
}
