using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Kvant.Chat.Tests;
using Kvant.Tests.Formats;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Kvant.Serving.Tests;

/// <summary>A server on loopback with the model that ships, which knows conversations here.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    public const string Key = "first-key";

    private readonly WebApplication _app;

    private RunningServer(WebApplication app) => _app = app;

    /// <summary>Where it listens.</summary>
    public string Url => _app.Urls.Single();

    public ServedModel Model => _app.Services.GetRequiredService<ServedModel>();

    /// <summary>A client with a key.</summary>
    public HttpClient Client(string? key = Key)
    {
        HttpClient client = new() { BaseAddress = new Uri(Url) };
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    public static async Task<RunningServer> StartAsync(TemporaryFolder folder, Func<KvantServingOptions, KvantServingOptions>? change = null, string? template = ChatModel.Template)
    {
        string path = folder.File("model.gguf");
        if (!File.Exists(path))
            ChatModel.Write(path, template);
        KvantServingOptions options = new() { Model = new() { Model = path, Threads = 1 }, ApiKeys = [Key, "second-key"] };
        WebApplication app = KvantHost.Create(change?.Invoke(options) ?? options, IPAddress.Loopback, 0, TimeSpan.FromSeconds(30));
        await app.StartAsync();
        return new RunningServer(app);
    }

    /// <summary>Begins to end, as Ctrl-C does.</summary>
    public Task StopAsync(CancellationToken cancellation = default) => _app.StopAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
    }

    /// <summary>A request's body.</summary>
    public static StringContent Body(string json) => new(json, Encoding.UTF8, "application/json");

    /// <summary>A question of a conversation, with other fields.</summary>
    public static StringContent Question(string text, string fields = "") => Body($$"""{"model":"model","messages":[{"role":"user","content":"{{text}}"}],"temperature":0,"max_tokens":12{{fields}}}""");

    /// <summary>What a server answered.</summary>
    public static async Task<(HttpStatusCode Status, JsonObject Json)> ReadAsync(HttpResponseMessage response) => (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!.AsObject());
}
