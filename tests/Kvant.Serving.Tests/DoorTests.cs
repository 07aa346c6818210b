using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kvant.Caching;
using Kvant.Chat.Tests;
using Kvant.Conversations.Stores;
using Kvant.Tests.Formats;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kvant.Serving.Tests;

/// <summary>Who is let in, as whom, and how many.</summary>
public sealed class DoorTests : IDisposable
{
    private static readonly string s_long = string.Join(' ', Enumerable.Repeat("And the LORD spake unto Moses, saying, Speak unto the children of Israel", 40));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task WithoutAKeyNothingIsSaidButHealth()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        foreach (string? key in (string?[])[null, "", "first-keys", "first-ke", "wrong"])
        {
            using HttpClient client = server.Client(key);
            foreach (string path in (string[])["/v1/models", "/metrics", "/v1/none"])
            {
                HttpResponseMessage response = await client.GetAsync(path);
                Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
                Assert.Equal("Bearer", response.Headers.WwwAuthenticate.Single().Scheme);
                Assert.Equal("invalid_api_key", (string?)(await RunningServer.ReadAsync(response)).Json["error"]!["code"]);
            }

            Assert.Equal("""{"status":"ok"}""", await client.GetStringAsync("/health"));
        }
    }

    [Fact]
    public async Task ServerWithoutKeysIsForAll()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { ApiKeys = [], Name = "mine" });
        using HttpClient client = server.Client(null);
        Assert.Contains("\"mine\"", await client.GetStringAsync("/v1/models"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task NamesOfOtherHostsAreRefusedOnLoopback()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { ApiKeys = [] });
        using HttpClient client = server.Client(null);
        client.DefaultRequestHeaders.Host = "evil.example";
        Assert.Equal(HttpStatusCode.BadRequest, (await client.GetAsync("/v1/models")).StatusCode);
        client.DefaultRequestHeaders.Host = "localhost:1";
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/v1/models")).StatusCode);
    }

    [Fact]
    public async Task KeysAreTenants()
    {
        MemoryChunkStore store = new(1L << 28);
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { Model = o.Model with { Store = store } });
        using HttpClient first = server.Client(), second = server.Client("second-key");
        Assert.Equal([0, 0, true, true], (object[])[await CachedAsync(first), await CachedAsync(second), await CachedAsync(first) > 500, await CachedAsync(second) > 500]);
        // The turns are no way in, either.
        JsonObject answer = (await RunningServer.ReadAsync(await first.PostAsync("/v1/chat/completions", RunningServer.Question("And God said", $",\"logit_bias\":{{\"{ChatModel.End}\":20}}")))).Json;
        Assert.Equal("stop", (string?)answer["choices"]![0]!["finish_reason"]);
        string next = $$"""{"messages":[{"role":"user","content":"And God said"},{"role":"assistant","content":{{answer["choices"]![0]!["message"]!["content"]!.ToJsonString()}}},{"role":"user","content":"Amen"}],"max_tokens":2}""";
        Assert.Equal(0, Cached(await RunningServer.ReadAsync(await second.PostAsync("/v1/chat/completions", RunningServer.Body(next)))));
        Assert.Equal((int)answer["usage"]!["total_tokens"]!, Cached(await RunningServer.ReadAsync(await first.PostAsync("/v1/chat/completions", RunningServer.Body(next)))));

        static async Task<int> CachedAsync(HttpClient client) => Cached(await RunningServer.ReadAsync(await client.PostAsync("/v1/chat/completions", RunningServer.Question(s_long))));
        static int Cached((HttpStatusCode Status, JsonObject Json) answer) => (int)answer.Json["usage"]!["prompt_tokens_details"]!["cached_tokens"]!;
    }

    [Fact]
    public async Task FullQueueIsRefusedWithATimeToComeBack()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { Model = o.Model with { Running = 1, Queue = 1 } });
        using HttpClient client = server.Client();
        using CancellationTokenSource stop = new();
        using HttpRequestMessage endless = new(HttpMethod.Post, "/v1/chat/completions") { Content = Endless(8000) };
        using HttpResponseMessage running = await client.SendAsync(endless, HttpCompletionOption.ResponseHeadersRead, stop.Token);
        Task<HttpResponseMessage> waiting = client.PostAsync("/v1/chat/completions", RunningServer.Question("a"));
        HttpResponseMessage refused;
        do
        {
            // The one that waits may not be there yet: then this one is, until it is given up.
            using CancellationTokenSource soon = new(TimeSpan.FromSeconds(1));
            try
            {
                refused = await client.PostAsync("/v1/chat/completions", RunningServer.Question("b"), soon.Token);
                break;
            }
            catch (OperationCanceledException)
            {
            }
        }
        while (true);
        Assert.Equal((HttpStatusCode.TooManyRequests, TimeSpan.FromSeconds(1)), (refused.StatusCode, refused.Headers.RetryAfter!.Delta));
        Assert.Equal("queue_full", (string?)(await RunningServer.ReadAsync(refused)).Json["error"]!["code"]);
        await stop.CancelAsync();
        running.Dispose();
        Assert.Contains((await waiting).StatusCode, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.TooManyRequests]);
    }

    [Fact]
    public async Task SizesHaveLimits()
    {
        using var pool = new PagePool(2 << 20);
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { MostRequestBytes = 200_000, Model = o.Model with { Pool = pool } });
        using HttpClient client = server.Client();
        await RefusedAsync(RunningServer.Question(new string('a', 200_000)), HttpStatusCode.RequestEntityTooLarge, "request_too_large");
        await RefusedAsync(new StreamContent(new MemoryStream(new byte[300_000])) { Headers = { { "Content-Type", "application/json" } } }, HttpStatusCode.RequestEntityTooLarge, "request_too_large");
        await RefusedAsync(RunningServer.Question(string.Concat(Enumerable.Repeat("qz ", 9000))), HttpStatusCode.BadRequest, "context_length_exceeded");
        await RefusedAsync(RunningServer.Question(string.Concat(Enumerable.Repeat("and the ", 3500))), HttpStatusCode.BadRequest, "context_length_exceeded");
        await RefusedAsync(new StringContent("{}", Encoding.UTF8, "text/plain"), HttpStatusCode.UnsupportedMediaType, "unsupported_content_type");
        await RefusedAsync(RunningServer.Body("""{"model":"another","messages":[{"role":"user","content":"x"}]}"""), HttpStatusCode.NotFound, "model_not_found");
        Assert.Equal("unknown_url", (string?)(await RunningServer.ReadAsync(await client.GetAsync("/v1/embeddings"))).Json["error"]!["code"]);
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/v1/chat/completions", RunningServer.Question("a"))).StatusCode);

        async Task RefusedAsync(HttpContent content, HttpStatusCode status, string code)
        {
            (HttpStatusCode found, JsonObject json) = await RunningServer.ReadAsync(await client.PostAsync("/v1/chat/completions", content));
            Assert.Equal((status, code), (found, (string?)json["error"]!["code"]));
        }
    }

    [Fact]
    public async Task AnswersThatRunAreFinishedAtTheEnd()
    {
        RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = Endless(300) };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Task stop = server.StopAsync();
        string text = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync("/health"));
        await server.DisposeAsync();
    }

    [Fact]
    public async Task AnswersThatTakeTooLongAtTheEndAreCut()
    {
        RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = Endless(8000) };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream body = await response.Content.ReadAsStreamAsync();
        await server.StopAsync(new CancellationToken(true));
        await server.DisposeAsync();
        try
        {
            string text = await new StreamReader(body).ReadToEndAsync();
            Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // As good: the connection ends.
        }
    }

    [Fact]
    public async Task FaultIsLoggedAndSaysNoMoreThanItsKind()
    {
        ChatModel.Write(_folder.File("model.gguf"));
        using Heard heard = new();
        using LoggerFactory loggers = new([heard]);
        await using ServedModel model = new(new() { Model = new() { Model = _folder.File("model.gguf"), Threads = 1 } }, loggers);
        DefaultHttpContext http = new();
        using MemoryStream body = new();
        http.Response.Body = body;
        await Door.EnterAsync(http, model, (_, _, _) => throw new InvalidTimeZoneException("secret"));
        Assert.Equal(500, http.Response.StatusCode);
        Assert.DoesNotContain("secret", Encoding.UTF8.GetString(body.ToArray()), StringComparison.Ordinal);
        Assert.Equal(("Kvant.Serving", typeof(InvalidTimeZoneException)), Assert.Single(heard.Errors));
        // What is the caller's is none.
        await Door.EnterAsync(new DefaultHttpContext(), model, (_, _, _) => throw ApiError.WrongKey());
        Assert.Single(heard.Errors);
    }

    // A stream that the model may not end by itself.
    private static StringContent Endless(int tokens) => RunningServer.Question("x", $",\"max_completion_tokens\":{tokens},\"stream\":true,\"logit_bias\":{{\"{ChatModel.End}\":-100}}");

    [Fact]
    public async Task MetricsSayWhatWasDone()
    {
        MemoryChunkStore store = new(1L << 28);
        await using RunningServer server = await RunningServer.StartAsync(_folder, o => o with { Model = o.Model with { Store = store } });
        using HttpClient client = server.Client();
        (await client.PostAsync("/v1/chat/completions", RunningServer.Question(s_long))).EnsureSuccessStatusCode();
        HttpResponseMessage response = await client.GetAsync("/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        string page = await response.Content.ReadAsStringAsync();
        Assert.Contains("# TYPE kvant_chat_tokens_total counter\n", page, StringComparison.Ordinal);
        Assert.Matches("(?m)^kvant_chat_tokens_total\\{kind=\"written\"\\} \\d+$", page);
        Assert.Matches("(?m)^kvant_chat_requests_total\\{end=\"length\"\\} \\d+$", page);
        Assert.Matches("(?m)^kvant_chat_first_token_seconds_bucket\\{le=\"\\+Inf\"\\} \\d+$", page);
        Assert.Matches("(?m)^kvant_serving_cache_bytes \\d{4,}$", page);
        Assert.Matches("(?m)^kvant_prefix_misses_total\\{reason=\"Absent\"\\} \\d+$", page);
        // Every line is a comment, or a name, labels and a number.
        Assert.All(page.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches("^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\\})? -?[0-9.E+-]+)$", line));
    }
}
