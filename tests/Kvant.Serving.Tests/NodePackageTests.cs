using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Kvant.Chat.Tests;
using Kvant.Tests.Formats;

namespace Kvant.Serving.Tests;

/// <summary>The package that JavaScript programs use, if node and the package are there: 'npm ci' in the folder Node of this project.</summary>
public sealed class NodePackageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ClientFindsEverythingWhereItLooks()
    {
        string node = NodeFolder();
        Assert.SkipUnless(Directory.Exists(Path.Combine(node, "node_modules", "openai")), "The npm package openai is not there: 'npm ci' in tests/Kvant.Serving.Tests/Node.");
        Assert.SkipUnless(IsThere("node"), "node is not there.");
        await using RunningServer server = await RunningServer.StartAsync(_folder);
        JsonObject result = await RunAsync(node, server.Url, RunningServer.Key, ChatModel.End.ToString(CultureInfo.InvariantCulture));
        Assert.Equal(["model"], result["models"]!.AsArray().Select(m => (string)m!));
        Assert.Equal((string?)result["chat"]!["text"], (string?)result["stream"]!["text"]);
        Assert.True(((string)result["chat"]!["text"]!).Length > 20);
        Assert.Equal("chat.completion", (string?)result["chat"]!["object"]);
        Assert.True((int)result["stream"]!["pieces"]! > 10);
        Assert.Equal((string?)result["chat"]!["finish"], (string?)result["stream"]!["finish"]);
        Assert.Equal(20, (int)result["stream"]!["usage"]!["completion_tokens"]!);
        Assert.Equal((int)result["chat"]!["usage"]!["prompt_tokens"]! - 1, (int)result["stream"]!["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
        Assert.Equal((string?)result["completion"], (string?)result["completionStream"]);
        Assert.True(((string)result["completion"]!).Length > 10);
        Assert.InRange((int)result["aborted"]!, 5, 100);
        Assert.Equal("""{"kind":"NotFoundError","status":404,"param":"model","code":"model_not_found"}""", result["errors"]!["model"]!.ToJsonString());
        Assert.Equal("""{"kind":"BadRequestError","status":400,"param":"temperature","code":"invalid_value"}""", result["errors"]!["temperature"]!.ToJsonString());
        Assert.Equal("""{"kind":"BadRequestError","status":400,"param":"n","code":"unsupported_parameter"}""", result["errors"]!["n"]!.ToJsonString());
        Assert.Equal("""{"kind":"AuthenticationError","status":401,"param":null,"code":"invalid_api_key"}""", result["errors"]!["key"]!.ToJsonString());
    }

    private static async Task<JsonObject> RunAsync(string folder, params string[] args)
    {
        using Process process = Process.Start(new ProcessStartInfo("node", ["client.mjs", .. args]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return JsonNode.Parse(await output)!.AsObject();
    }

    private static bool IsThere(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string NodeFolder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvant.slnx")))
            folder = folder.Parent;
        return Path.Combine(folder?.FullName ?? "", "tests", "Kvant.Serving.Tests", "Node");
    }
}
