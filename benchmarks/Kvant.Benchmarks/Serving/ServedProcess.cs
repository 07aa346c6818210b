using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kvant.Caching;
using Kvant.Conversations.Stores;
using Kvant.Serving;
using Microsoft.AspNetCore.Builder;

namespace Kvant.Benchmarks.Serving;

/// <summary>A server in a process of its own, this program once more, so that its memory is its own and it can be killed.</summary>
internal sealed class ServedProcess : IAsyncDisposable
{
    public static readonly string[] Keys = ["first", "second"];

    private readonly Process _process;

    private ServedProcess(Process process, string url)
    {
        _process = process;
        Client = new HttpClient { BaseAddress = new Uri(url), Timeout = Timeout.InfiniteTimeSpan };
        Client.DefaultRequestHeaders.Authorization = new("Bearer", Keys[0]);
    }

    /// <summary>Asks as the first tenant.</summary>
    public HttpClient Client { get; }

    /// <summary>What the process takes of the machine's memory, in bytes.</summary>
    public long Memory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Starts one.</summary>
    /// <param name="model">The model's file.</param>
    /// <param name="store">A folder; null for none.</param>
    /// <param name="caches">Conversations that stay in memory.</param>
    /// <param name="queue">Requests that may wait.</param>
    /// <param name="memory">Bytes of all caches.</param>
    public static async Task<ServedProcess> StartAsync(string model, string? store = null, int caches = 64, int queue = 8, long memory = 1L << 30)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!, ["served", model, store ?? "", $"{caches}", $"{queue}", $"{memory}"]) { RedirectStandardOutput = true, RedirectStandardInput = true };
        Process process = Process.Start(start)!;
        string url = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the server did not start");
        return new ServedProcess(process, url);
    }

    /// <summary>The server's side: serves until its input ends.</summary>
    public static async Task<int> ServeAsync(string model, string store, string caches, string queue, string memory)
    {
        using PagePool pool = new(long.Parse(memory, CultureInfo.InvariantCulture));
        WebApplication app = KvantHost.Create(new()
        {
            Model = new()
            {
                Model = model,
                Pool = pool,
                Store = store.Length == 0 ? null : new DiskChunkStore(store),
                Caches = int.Parse(caches, CultureInfo.InvariantCulture),
                Queue = int.Parse(queue, CultureInfo.InvariantCulture),
            },
            ApiKeys = Keys,
        }, IPAddress.Loopback, 0, TimeSpan.FromSeconds(30));
        await using (app)
        {
            await app.StartAsync();
            Console.WriteLine(app.Urls.Single());
            await Console.In.ReadToEndAsync();
            await app.StopAsync();
        }

        return 0;
    }

    /// <summary>Asks for a text, whole.</summary>
    /// <returns>The status, and the text, the cached tokens and all tokens where it is good.</returns>
    public async Task<(HttpStatusCode Status, string Text, int Cached, int Tokens)> AskAsync(JsonObject body, string path = "/v1/chat/completions")
    {
        using HttpResponseMessage response = await Client.PostAsync(path, Content(body));
        JsonNode json = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        if (!response.IsSuccessStatusCode)
            return (response.StatusCode, json["error"]!["message"]!.ToString(), 0, 0);
        JsonNode choice = json["choices"]![0]!;
        return (response.StatusCode, (string)(choice["text"] ?? choice["message"]!["content"])!, (int)json["usage"]!["prompt_tokens_details"]!["cached_tokens"]!, (int)json["usage"]!["total_tokens"]!);
    }

    /// <summary>Asks for a stream; the caller reads its lines.</summary>
    public async Task<HttpResponseMessage> StreamAsync(JsonObject body, CancellationToken cancellation, string path = "/v1/chat/completions")
    {
        body["stream"] = true;
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = Content(body) };
        return await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    /// <summary>A number of /metrics; 0 where it is not there.</summary>
    public async Task<double> MetricAsync(string name) => (await Client.GetStringAsync("/metrics")).Split('\n')
        .Where(line => line.StartsWith(name + " ", StringComparison.Ordinal)).Select(line => double.Parse(line[(name.Length + 1)..], CultureInfo.InvariantCulture)).FirstOrDefault();

    /// <summary>Waits until nothing waits to be stored.</summary>
    public async Task FlushAsync()
    {
        while (await MetricAsync("kvant_queue_length") != 0)
            await Task.Delay(20);
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (!_process.HasExited)
            _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static StringContent Content(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, "application/json");
}
