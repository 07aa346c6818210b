using System.Net;
using StackExchange.Redis;

namespace Kvant.Cli.Tests;

/// <summary>What <c>--store</c> understands, and that it never says a password.</summary>
public sealed class ChunkStoresTests
{
    [Theory]
    [InlineData("redis://host", null, "host:6379", null, null, false)]
    [InlineData("redis://127.0.0.1:7777/", null, "127.0.0.1:7777", null, null, false)]
    [InlineData("rediss://host:1", "from,elsewhere=1", "host:1", null, "from,elsewhere=1", true)]
    [InlineData("REDIS://:secret@host", "other", "host:6379", null, "secret", false)]
    [InlineData("redis://me:se%2Ccret%3A%40,ssl=true@host:1", null, "host:1", "me", "se,cret:@,ssl=true", false)]
    [InlineData("redis://me@host", "secret", "host:6379", "me", "secret", false)]
    [InlineData("redis://[::1]:2", "", "[::1]:2", null, null, false)]
    public void AddressIsAServer(string text, string? variable, string endPoint, string? user, string? password, bool tls)
    {
        ConfigurationOptions server = ChunkStores.Server(text, variable)!;
        Assert.Equal((endPoint, user, password, tls), (server.EndPoints.Single() is DnsEndPoint name ? $"{name.Host}:{name.Port}" : $"{server.EndPoints.Single()}", server.User, server.Password, server.Ssl));
    }

    [Theory]
    [InlineData("kvant-store")]
    [InlineData("./redis")]
    [InlineData("C:\\store")]
    public void AnythingElseIsAFolder(string text) => Assert.Null(ChunkStores.Server(text, "secret"));

    [Theory]
    [InlineData("redis://")]
    [InlineData("redis://:secret@")]
    [InlineData("redis://:secret@host:port")]
    [InlineData("redis://:secret@host:70000")]
    [InlineData("redis://:secret@host/1")]
    [InlineData("redis://host?password=secret")]
    [InlineData("redis://host#secret")]
    [InlineData("redis:/:secret@host")]
    [InlineData("redis:secret@host")]
    [InlineData("valkey://:secret@host")]
    public void WhatIsNeitherIsRefusedWithoutSayingIt(string text)
    {
        ToolResult result = ToolResult.Of("serve", "--model", TempFolder.Model, "--store", text);
        result.AssertFailed(2, "redis://[[USER]:PASSWORD@]HOST[:PORT]");
        Assert.DoesNotContain("secret", result.Out + result.Error, StringComparison.Ordinal);
    }
}
