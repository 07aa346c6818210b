using System.ClientModel;
using System.ClientModel.Primitives;
using Kvant.Chat.Tests;
using Kvant.Tests.Formats;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace Kvant.Serving.Tests;

/// <summary>The package that .NET programs use.</summary>
public sealed class OpenAIPackageTests : IDisposable
{
    private static readonly ChatMessage[] s_question = [new SystemChatMessage("In the beginning"), new UserChatMessage("And the earth was without form, and void")];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AnswersInPiecesAreTheAnswerInOne()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        ChatClient client = Client(server);
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 25, Temperature = 0 };
        ChatCompletion whole = await client.CompleteChatAsync(s_question, options);
        Assert.Equal((ChatFinishReason.Length, 25, 0), (whole.FinishReason, whole.Usage.OutputTokenCount, whole.Usage.InputTokenDetails.CachedTokenCount));
        Assert.True(whole.Content[0].Text.Length > 20);
        List<StreamingChatCompletionUpdate> parts = [];
        await foreach (StreamingChatCompletionUpdate part in client.CompleteChatStreamingAsync(s_question, options))
            parts.Add(part);
        Assert.Equal(whole.Content[0].Text, string.Concat(parts.SelectMany(p => p.ContentUpdate).Select(c => c.Text)));
        Assert.Equal(ChatMessageRole.Assistant, parts[0].Role);
        Assert.True(parts.Count > 10);
        Assert.Single(parts.Select(p => p.CompletionId).Distinct());
        Assert.Equal(ChatFinishReason.Length, parts.Last(p => p.FinishReason is not null).FinishReason);
        // The second time all but the last token of the prompt is there.
        Assert.Equal(whole.Usage.InputTokenCount - 1, parts.Single(p => p.Usage is not null).Usage.InputTokenDetails.CachedTokenCount);
    }

    [Fact]
    public async Task NextTurnReadsItsOwnTokensAlone()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        ChatClient client = Client(server);
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 500, Temperature = 0 };
        // It never learnt to end a turn.
        options.LogitBiases[ChatModel.End] = 5;
        ChatCompletion first = await client.CompleteChatAsync(s_question, options);
        Assert.Equal(ChatFinishReason.Stop, first.FinishReason);
        ChatCompletion second = await client.CompleteChatAsync([.. s_question, new AssistantChatMessage(first), new UserChatMessage("And the evening")], options);
        Assert.Equal(first.Usage.TotalTokenCount, second.Usage.InputTokenDetails.CachedTokenCount);
    }

    [Fact]
    public async Task ModelsAreListedAndShown()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        OpenAIModelClient models = new(new ApiKeyCredential(RunningServer.Key), Options(server));
        Assert.Equal("model", Assert.Single((await models.GetModelsAsync()).Value).Id);
        Assert.Equal("kvant", (await models.GetModelAsync("model")).Value.OwnedBy);
        Assert.Equal(404, (await Assert.ThrowsAsync<ClientResultException>(() => models.GetModelAsync("another"))).Status);
    }

    [Fact]
    public async Task StreamThatIsGivenUpEndsInTheServer()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { Model = o.Model with { Running = 1 } });
        ChatClient client = Client(server);
        ChatCompletionOptions endless = new() { MaxOutputTokenCount = 8000, Temperature = 0 };
        endless.LogitBiases[ChatModel.End] = -100;
        using CancellationTokenSource stop = new();
        int parts = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (StreamingChatCompletionUpdate _ in client.CompleteChatStreamingAsync(s_question, endless, stop.Token))
            {
                if (++parts == 5)
                    await stop.CancelAsync();
            }
        });
        // The only place is free again.
        Assert.Equal(3, (await client.CompleteChatAsync(s_question, new() { MaxOutputTokenCount = 3 })).Value.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task RefusalsAreExceptionsThatSayWhy()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        Assert.Equal(401, await StatusAsync(Client(server, key: "wrong")));
        Assert.Equal(404, await StatusAsync(Client(server, model: "another")));
        ClientResultException refused = await Assert.ThrowsAsync<ClientResultException>(() => Client(server).CompleteChatAsync(s_question, new() { Temperature = 3 }));
        Assert.Equal(400, refused.Status);
        Assert.Contains("'temperature' must be a number from 0 to 2; found is 3", refused.Message, StringComparison.Ordinal);
        Assert.Equal(400, (await Assert.ThrowsAsync<ClientResultException>(() => Client(server).CompleteChatAsync(s_question, new() { Tools = { ChatTool.CreateFunctionTool("f") } }))).Status);

        static async Task<int> StatusAsync(ChatClient client) => (await Assert.ThrowsAsync<ClientResultException>(() => client.CompleteChatAsync(s_question))).Status;
    }

    private static OpenAIClientOptions Options(RunningServer server) => new() { Endpoint = new Uri(server.Url + "/v1"), RetryPolicy = new ClientRetryPolicy(0) };

    private static ChatClient Client(RunningServer server, string key = RunningServer.Key, string model = "model") => new(model, new ApiKeyCredential(key), Options(server));
}
