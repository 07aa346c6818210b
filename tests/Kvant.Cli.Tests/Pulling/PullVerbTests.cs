using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kvant.Cli.Pulling;

namespace Kvant.Cli.Tests.Pulling;

/// <summary>The command against a server that answers as Hugging Face does, and what other commands make of what it brought.</summary>
public sealed class PullVerbTests : IDisposable
{
    private static readonly byte[] s_model = File.ReadAllBytes(TempFolder.Model);
    private static readonly string s_sha256 = Convert.ToHexStringLower(SHA256.HashData(s_model));

    private readonly TempFolder _folder = new();
    private readonly LoopbackServer _server;
    private readonly string? _before = Environment.GetEnvironmentVariable(ModelFolder.Variable);

    public PullVerbTests()
    {
        // No other test of this project asks for the folder of models.
        Environment.SetEnvironmentVariable(ModelFolder.Variable, _folder["models"]);
        _server = new LoopbackServer(Answer);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(ModelFolder.Variable, _before);
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void AModelIsPulledAndTakenByItsName()
    {
        JsonElement pulled = ToolResult.JsonOf("pull", "me/mini:Q8_0", "--endpoint", _server.Address.AbsoluteUri)[0];
        string path = Path.Combine(_folder["models"], "me", "mini", "mini-Q8_0.gguf");
        Assert.Equal((path, s_model.Length, s_sha256, "yes", "now"), Row(pulled));
        foreach (string name in (string[])["me/mini:Q8_0", "me/mini/mini-Q8_0.gguf", "hf.co/me/mini:q8_0"])
            Assert.Equal(0, ToolResult.Of("plan", "--model", name).ExitCode);
        ToolResult generated = ToolResult.Of("generate", "--model", "me/mini:Q8_0", "--prompt", "Call me", "--tokens", "2"), shipped = ToolResult.Of("generate", "--prompt", "Call me", "--tokens", "2");
        Assert.Equal((0, shipped.Out), (generated.ExitCode, generated.Out));
        Assert.Equal("before", ToolResult.JsonOf("pull", "me/mini/mini-Q8_0.gguf", "--endpoint", _server.Address.AbsoluteUri)[0].GetProperty("pulled").GetString());
        // A name is a file like any other: no output replaces it.
        ToolResult.Of("trace", "--model", "me/mini:Q8_0", "-o", path, "--force").AssertFailed(2, "is the input --model");
        Assert.Equal(s_model, File.ReadAllBytes(path));
        Assert.Equal(["me/mini/mini-Q8_0.gguf"], ModelFolder.Names());
        Assert.Contains("me/mini/mini-Q8_0.gguf", ToolResult.Of("complete", "--", "=me", "generate", "--model").Out, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAddressIsPulledToo()
    {
        string address = $"{_server.Address}plain/mini.gguf";
        ToolResult result = ToolResult.Of("pull", address, "--sha256", s_sha256.ToUpperInvariant());
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("MiB in", result.Error, StringComparison.Ordinal);
        Assert.Equal(0, ToolResult.Of("plan", "--model", address).ExitCode);
        ToolResult.Of("pull", address, "--sha256", new string('0', 64)).AssertFailed(1, "is there and has the SHA-256");
    }

    [Fact]
    public void AllPartsOfASplitModelCome()
    {
        ToolResult result = ToolResult.Of("pull", "me/split:Q4_0", "--endpoint", _server.Address.AbsoluteUri);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(["me/split/m-Q4_0-00001-of-00002.gguf", "me/split/m-Q4_0-00002-of-00002.gguf"], ModelFolder.Names());
        ToolResult.Of("pull", "me/split:Q4_0", "--endpoint", _server.Address.AbsoluteUri, "--sha256", s_sha256).AssertFailed(2, "the model has 2");
    }

    [Fact]
    public void WhatCannotBePulledIsSaid()
    {
        string endpoint = _server.Address.AbsoluteUri;
        ToolResult.Of("pull", "me/mini:Q2_K", "--endpoint", endpoint).AssertFailed(1, "no file of the weights Q2_K; it has mini-Q8_0.gguf, mini-f16.gguf");
        ToolResult.Of("pull", "me/none", "--endpoint", endpoint).AssertFailed(1, "has no such file (404 Not Found)");
        ToolResult.Of("pull", "me/page", "--endpoint", endpoint).AssertFailed(1, "no list of files");
        ToolResult.Of("pull", "model.gguf").AssertFailed(2, "is no name of a model", "OWNER/REPOSITORY:WEIGHTS");
        ToolResult.Of("pull", "me/mini", "--endpoint", "mirror").AssertFailed(2, "http or https address");
        ToolResult.Of("pull", "me/mini", "--sha256", "abc").AssertFailed(2, "64 hexadecimal digits");
        ToolResult.Of("generate", "--model", "me/mini:Q8_0", "--prompt", "x").AssertFailed(1, "does not exist", "'kvant pull me/mini:Q8_0'");
        Assert.Empty(ModelFolder.Names());
    }

    private static (string?, int, string?, string?, string?) Row(JsonElement row) => (
        row.GetProperty("path").GetString(), row.GetProperty("bytes").GetInt32(), row.GetProperty("sha256").GetString(), row.GetProperty("checked").GetString(), row.GetProperty("pulled").GetString());

    private static LoopbackServer.Answer Answer(LoopbackServer.Request request) => request.Path switch
    {
        "/api/models/me/mini/tree/main?recursive=true" => Json("README.md", "mini-Q8_0.gguf", "mini-f16.gguf", "../mini-Q2_K.gguf"),
        "/api/models/me/split/tree/main?recursive=true" => Json("m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf"),
        "/api/models/me/page/tree/main?recursive=true" => Text("<!doctype html>"),
        "/plain/mini.gguf" or "/me/split/resolve/main/m-Q4_0-00001-of-00002.gguf" or "/me/split/resolve/main/m-Q4_0-00002-of-00002.gguf" => LoopbackServer.File(request, s_model),
        "/me/mini/resolve/main/mini-Q8_0.gguf" => LoopbackServer.File(request, s_model, heads: $"X-Linked-ETag: \"{s_sha256}\"\r\n"),
        _ => new("404 Not Found"),
    };

    private static LoopbackServer.Answer Json(params string[] files) => Text($"[{string.Join(',', files.Select(f => $$"""{"type":"file","path":"{{f}}","size":1}"""))}]");

    private static LoopbackServer.Answer Text(string text) => new("200 OK", $"Content-Length: {text.Length}\r\n", Encoding.UTF8.GetBytes(text));
}
