using System.Net;
using System.Text.Json.Nodes;
using Kvant.Tests.Formats;

namespace Kvant.Serving.Tests;

/// <summary>What goes over the wire, byte by byte where clients look at bytes.</summary>
public sealed class WireTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task StreamIsLinesOfTheProtocol()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", RunningServer.Question("In the beginning", ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        string[] events = (await response.Content.ReadAsStringAsync()).Split("\n\n");
        Assert.Equal(["", "data: [DONE]"], events[^1..].Concat(events[^2..^1]));
        Assert.All(events[..^1], e => Assert.StartsWith("data: ", e, StringComparison.Ordinal));
        JsonObject[] parts = [.. events[..^2].Select(e => JsonNode.Parse(e["data: ".Length..])!.AsObject())];
        Assert.Equal("""{"role":"assistant","content":""}""", parts[0]["choices"]![0]!["delta"]!.ToJsonString());
        Assert.Equal("""{}""", parts[^2]["choices"]![0]!["delta"]!.ToJsonString());
        Assert.Equal("length", (string?)parts[^2]["choices"]![0]!["finish_reason"]);
        Assert.Empty(parts[^1]["choices"]!.AsArray());
        Assert.Equal(12, (int)parts[^1]["usage"]!["completion_tokens"]!);
        Assert.All(parts[..^1], p => Assert.True(p.ContainsKey("usage") && p["usage"] is null));
        Assert.All(parts, p => Assert.Equal("chat.completion.chunk", (string?)p["object"]));
        Assert.StartsWith("chatcmpl-", (string)parts[0]["id"]!, StringComparison.Ordinal);

        // Usage is there only where it is asked for.
        string plain = await (await client.PostAsync("/v1/chat/completions", RunningServer.Question("In the beginning", ",\"stream\":true"))).Content.ReadAsStringAsync();
        Assert.DoesNotContain("usage", plain, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TextsGoOnWithoutATemplate()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder, template: null);
        using HttpClient client = server.Client();
        (HttpStatusCode status, JsonObject whole) = await PostAsync(client, "/v1/completions", """{"prompt":["In the beginning"],"temperature":0}""");
        Assert.Equal((HttpStatusCode.OK, "text_completion", 16), (status, (string?)whole["object"], (int)whole["usage"]!["completion_tokens"]!));
        string text = (string)whole["choices"]![0]!["text"]!;
        int[] tokens = server.Model.Engine.Tokenizer.Encode("In the beginning");
        (_, JsonObject again) = await PostAsync(client, "/v1/completions", $$"""{"prompt":[{{string.Join(',', tokens)}}],"temperature":0}""");
        Assert.Equal(text, (string?)again["choices"]![0]!["text"]);
        string stream = await (await client.PostAsync("/v1/completions", RunningServer.Body("""{"prompt":"In the beginning","temperature":0,"stream":true}"""))).Content.ReadAsStringAsync();
        Assert.Equal(text, string.Concat(stream.Split("\n\n")[..^2].Select(e => (string?)JsonNode.Parse(e["data: ".Length..])!["choices"]![0]!["text"])));
        (status, JsonObject refused) = await PostAsync(client, "/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}]}""");
        Assert.Equal((HttpStatusCode.BadRequest, "no_chat_template"), (status, (string?)refused["error"]!["code"]));
    }

    [Fact]
    public async Task StopsSeedsAndBiasesAreKept()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        string text = await TextAsync("");
        string stop = text[5..9];
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], await TextAsync($",\"stop\":[\"never\",\"{stop}\"]"));
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], await TextAsync($",\"stop\":\"{stop}\""));
        string drawn = await TextAsync(",\"temperature\":1.5,\"seed\":7");
        Assert.Equal(drawn, await TextAsync(",\"temperature\":1.5,\"seed\":7"));
        Assert.NotEqual(drawn, await TextAsync(",\"temperature\":1.5,\"seed\":8"));
        Assert.NotEqual(drawn, text);
        Assert.Equal(text, await TextAsync(",\"temperature\":2,\"top_k\":1"));
        Assert.Equal(text, await TextAsync(",\"temperature\":2,\"top_p\":0"));
        Assert.Equal(text, await TextAsync(",\"temperature\":2,\"min_p\":1,\"seed\":3"));
        int first = server.Model.Engine.Tokenizer.Find(text[..1])!.Value;
        Assert.NotEqual(text, await TextAsync($",\"logit_bias\":{{\"{first}\":-100}}"));
        Assert.NotEqual(text, await TextAsync(",\"frequency_penalty\":2,\"presence_penalty\":2,\"repetition_penalty\":1.5"));
        // What changes nothing is ignored.
        Assert.Equal(text, await TextAsync(",\"user\":\"u\",\"store\":false,\"n\":1,\"tools\":[],\"tool_choice\":\"auto\",\"response_format\":{\"type\":\"text\"},\"logprobs\":false,\"unheard_of\":{}"));

        async Task<string> TextAsync(string fields) => (string)(await RunningServer.ReadAsync(await client.PostAsync("/v1/completions", RunningServer.Body($$"""{"prompt":"In the beginning God","max_tokens":15{{(fields.Contains("temperature", StringComparison.Ordinal) ? "" : ",\"temperature\":0")}}{{fields}}}""")))).Json["choices"]![0]!["text"]!;
    }

    [Fact]
    public async Task PartsOfAMessageAreItsText()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        (_, JsonObject one) = await PostAsync(client, "/v1/chat/completions", """{"messages":[{"role":"system","content":"a"},{"role":"user","content":"In the beginning"}],"temperature":0,"max_tokens":9}""");
        (_, JsonObject other) = await PostAsync(client, "/v1/chat/completions", """{"messages":[{"role":"developer","content":"a"},{"role":"user","name":"me","content":[{"type":"text","text":"In the "},{"type":"text","text":"beginning"}]}],"temperature":0,"max_completion_tokens":9}""");
        Assert.Equal((string?)one["choices"]![0]!["message"]!["content"], (string?)other["choices"]![0]!["message"]!["content"]);
        Assert.Equal((int)one["usage"]!["prompt_tokens"]!, (int)other["usage"]!["prompt_tokens"]!);
    }

    [Theory]
    [InlineData("", null, "invalid_json")]
    [InlineData("[]", null, "invalid_json")]
    [InlineData("{\"messages\":[{}", null, "invalid_json")]
    [InlineData("{}", "messages", "missing_required_parameter")]
    [InlineData("{\"messages\":[]}", "messages", "invalid_value")]
    [InlineData("{\"messages\":{}}", "messages", "invalid_value")]
    [InlineData("{\"messages\":[1]}", "messages[0]", "invalid_value")]
    [InlineData("{\"messages\":[{\"role\":\"user\"}]}", "messages[0].content", "missing_required_parameter")]
    [InlineData("{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "messages[0].role", "invalid_value")]
    [InlineData("{\"messages\":[{\"content\":\"x\"}]}", "messages[0].role", "missing_required_parameter")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", "messages[0].content", "invalid_value")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "messages[0].content[0].type", "unsupported_parameter")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}", "messages[0].tool_calls", "unsupported_parameter")]
    [InlineData("\"temperature\":2.5", "temperature", "invalid_value")]
    [InlineData("\"temperature\":\"hot\"", "temperature", "invalid_value")]
    [InlineData("\"temperature\":1e400", "temperature", "invalid_value")]
    [InlineData("\"top_p\":-0.1", "top_p", "invalid_value")]
    [InlineData("\"max_tokens\":0", "max_tokens", "invalid_value")]
    [InlineData("\"max_tokens\":1.5", "max_tokens", "invalid_value")]
    [InlineData("\"max_completion_tokens\":3000000000", "max_completion_tokens", "invalid_value")]
    [InlineData("\"stop\":[\"a\",1]", "stop", "invalid_value")]
    [InlineData("\"stop\":\"\"", "stop", "invalid_value")]
    [InlineData("\"stream\":1", "stream", "invalid_value")]
    [InlineData("\"stream_options\":true", "stream_options", "invalid_value")]
    [InlineData("\"seed\":1.5", "seed", "invalid_value")]
    [InlineData("\"presence_penalty\":3", "presence_penalty", "invalid_value")]
    [InlineData("\"repetition_penalty\":5e-324", "repetition_penalty", "invalid_value")]
    [InlineData("\"repetition_penalty\":1e-300", "repetition_penalty", "invalid_value")]
    [InlineData("\"logit_bias\":{\"a\":1}", "logit_bias", "invalid_value")]
    [InlineData("\"logit_bias\":{\"\\ud800\":1}", null, "invalid_json")]
    [InlineData("\"logit_bias\":{\"1\":1,\"1\":1}", null, "duplicate_field")]
    [InlineData("\"logit_bias\":{\"1\":1,\"\\u0031\":1}", null, "duplicate_field")]
    [InlineData("\"logit_bias\":{\"1\":1,\"01\":1}", "logit_bias", "invalid_value")]
    [InlineData("\"logit_bias\":{\"1\":\"much\"}", "logit_bias.1", "invalid_value")]
    [InlineData("\"messages\":[]", null, "duplicate_field")]
    [InlineData("\"unheard_of\":[{\"a\":{\"b\":1,\"b\":2}}]", null, "duplicate_field")]
    [InlineData("\"logit_bias\":{\"1\":101}", "logit_bias.1", "invalid_value")]
    [InlineData("\"logit_bias\":{\"99999999\":1}", "logit_bias", "invalid_value")]
    [InlineData("\"n\":2", "n", "unsupported_parameter")]
    [InlineData("\"logprobs\":true", "logprobs", "unsupported_parameter")]
    [InlineData("\"tools\":[{}]", "tools", "unsupported_parameter")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}", "response_format", "unsupported_parameter")]
    public async Task WhatIsWrongIsNamed(string json, string? param, string code)
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        json = json.StartsWith('"') ? $$"""{"messages":[{"role":"user","content":"x"}],{{json}}}""" : json;
        (HttpStatusCode status, JsonObject error) = await PostAsync(client, "/v1/chat/completions", json);
        Assert.Equal((HttpStatusCode.BadRequest, param, code, "invalid_request_error"), (status, (string?)error["error"]!["param"], (string?)error["error"]!["code"], (string?)error["error"]!["type"]));
        Assert.True(((string)error["error"]!["message"]!).Length > 10);
    }

    [Theory]
    [InlineData("{}", "prompt", "missing_required_parameter")]
    [InlineData("{\"prompt\":[\"a\",\"b\"]}", "prompt", "invalid_value")]
    [InlineData("{\"prompt\":[1,-1]}", "prompt", "invalid_value")]
    [InlineData("{\"prompt\":[1,99999999]}", "prompt", "invalid_value")]
    [InlineData("{\"prompt\":\"a\",\"echo\":true}", "echo", "unsupported_parameter")]
    [InlineData("{\"prompt\":\"a\",\"best_of\":3}", "best_of", "unsupported_parameter")]
    [InlineData("{\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix", "unsupported_parameter")]
    [InlineData("{\"prompt\":\"a\",\"logprobs\":5}", "logprobs", "unsupported_parameter")]
    public async Task WhatIsWrongWithATextIsNamed(string json, string param, string code)
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        (HttpStatusCode status, JsonObject error) = await PostAsync(client, "/v1/completions", json);
        Assert.Equal((HttpStatusCode.BadRequest, param, code), (status, (string?)error["error"]!["param"], (string?)error["error"]!["code"]));
    }

    [Fact]
    public async Task WhatThereIsTooMuchOfIsNamed()
    {
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        using HttpClient client = server.Client();
        // Those that say nothing count, too.
        await RefusedAsync($"\"logit_bias\":{{{string.Join(',', Enumerable.Range(0, 1025).Select(i => $"\"{i}\":null"))}}}", "logit_bias", "invalid_value");
        await RefusedAsync($"\"stop\":[{string.Join(',', Enumerable.Range(0, 17).Select(i => $"\"{i}\""))}]", "stop", "invalid_value");
        await RefusedAsync($"\"unheard_of\":{new string('[', 500_000)}{new string(']', 500_000)}", null, "invalid_json");

        async Task RefusedAsync(string field, string? param, string code)
        {
            (HttpStatusCode status, JsonObject error) = await PostAsync(client, "/v1/completions", $$"""{"prompt":"x",{{field}}}""");
            Assert.Equal((HttpStatusCode.BadRequest, param, code), (status, (string?)error["error"]!["param"], (string?)error["error"]!["code"]));
        }
    }

    private static async Task<(HttpStatusCode Status, JsonObject Json)> PostAsync(HttpClient client, string path, string json) => await RunningServer.ReadAsync(await client.PostAsync(path, RunningServer.Body(json)));
}
