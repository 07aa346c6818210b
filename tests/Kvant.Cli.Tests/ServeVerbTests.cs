using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Kvant.Chat.Tests;

namespace Kvant.Cli.Tests;

/// <summary>serve, as a process: it answers, and ends in order.</summary>
public sealed class ServeVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<Process> _tools = [];

    public void Dispose()
    {
        foreach (Process tool in _tools.Where(t => !t.HasExited))
        {
            tool.Kill();
            tool.WaitForExit();
        }

        _tools.ForEach(t => t.Dispose());
        _folder.Dispose();
    }

    [Theory]
    [InlineData("-INT")]
    [InlineData("-TERM")]
    public async Task SignalLetsAnswersFinishAndTheStoreHasThem(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill.");
        ChatModel.Write(_folder["model.gguf"]);
        Process tool = Start("--api-key", "from-the-line", "--store", "store", "--name", "mine");
        JsonNode served = await ServedAsync(tool);
        Assert.Equal(("mine", 3), ((string?)served["model"], (int)served["keys"]!));
        using HttpClient client = new();
        client.DefaultRequestHeaders.Authorization = new("Bearer", "from-elsewhere");
        string url = (string)served["url"]!;
        Assert.Contains("\"mine\"", await client.GetStringAsync(url + "/models"), StringComparison.Ordinal);
        using HttpRequestMessage request = new(HttpMethod.Post, url + "/chat/completions")
        {
            Content = new StringContent($$"""{"messages":[{"role":"user","content":"In the beginning"}],"max_tokens":500,"stream":true,"logit_bias":{"{{ChatModel.End}}":-100} }""", Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using (Process kill = Process.Start("kill", [signal, $"{tool.Id}"]))
            await kill.WaitForExitAsync();
        Assert.EndsWith("data: [DONE]\n\n", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await tool.WaitForExitAsync();
        Assert.Equal((0, ""), (tool.ExitCode, await tool.StandardError.ReadToEndAsync()));
        ToolResult.Of("store", "verify", _folder["store"], "--json").AssertSucceeded();
        Assert.NotEmpty(Directory.GetFiles(_folder["store"], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task PortThatIsTakenIsOneLine()
    {
        ChatModel.Write(_folder["model.gguf"]);
        Process first = Start();
        int port = new Uri((string)(await ServedAsync(first))["url"]!).Port;
        ToolResult.Of("serve", "--model", _folder["model.gguf"], "--port", $"{port}").AssertFailed(1, "address already in use");
    }

    [Theory]
    [InlineData("--model is missing")]
    [InlineData("--host must be an address", "--model", "MODEL", "--host", "example")]
    [InlineData("--port must be a whole number from 0 to 65535", "--model", "MODEL", "--port", "70000")]
    [InlineData("redis://[[USER]:PASSWORD@]HOST[:PORT]", "--model", "MODEL", "--store", "redis://")]
    [InlineData("--store-limit needs --store", "--model", "MODEL", "--store-limit", "1GiB")]
    [InlineData("give one of both", "--model", "MODEL", "--store", "store", "--floor", "tiny")]
    [InlineData("nothing", "--model", "MODEL", "--floor", "nothing")]
    [InlineData("--api-key is empty", "--model", "MODEL", "--api-key", "")]
    public void WrongUsageIsNamed(string words, params string[] args) =>
        ToolResult.Of(["serve", .. args.Select(a => a == "MODEL" ? TempFolder.Model : a)]).AssertFailed(2, words);

    private Process Start(params string[] args)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "Kvant.Cli.dll"), "serve", "--model", "model.gguf", "--port", "0", "--threads", "1", "--json", .. args])
        {
            WorkingDirectory = _folder["."],
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["KVANT_API_KEY"] = "from-elsewhere another";
        Process tool = Process.Start(start)!;
        _tools.Add(tool);
        return tool;
    }

    // What it says once it listens.
    private static async Task<JsonNode> ServedAsync(Process tool)
    {
        StringBuilder json = new();
        while (await tool.StandardOutput.ReadLineAsync() is { } line)
        {
            json.AppendLine(line);
            if (line == "}")
                return JsonNode.Parse(json.ToString())!;
        }

        throw new InvalidOperationException(await tool.StandardError.ReadToEndAsync());
    }
}
