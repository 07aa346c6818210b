using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;

namespace Kvant.Conversations.Tests.Stores;

/// <summary>A <c>redis-server</c> of a test's own on loopback, or several that are a cluster.</summary>
internal sealed class RedisServer : IDisposable
{
    private const int Slots = 16384;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvant-redis-");
    private readonly Process _process;

    private RedisServer(bool cluster, int? port = null, int nodeTimeout = 1000)
    {
        Port = port ?? FreePort();
        ProcessStartInfo start = new("redis-server") { WorkingDirectory = _folder.FullName, RedirectStandardOutput = true };
        foreach (string argument in (string[])["--port", Text(Port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no", "--cluster-enabled", cluster ? "yes" : "no", "--cluster-node-timeout", Text(nodeTimeout), "--cluster-replica-validity-factor", "0", "--cluster-require-full-coverage", "no", "--maxmemory", "256mb"])
            start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        _ = _process.StandardOutput.ReadToEndAsync();
    }

    public int Port { get; }

    public string Address => $"127.0.0.1:{Text(Port)}";

    /// <summary>Skips the test where there is no such program, which CI has.</summary>
    public static void RequireInstalled() => Assert.SkipUnless(
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, "redis-server"))), "redis-server is not installed");

    public static async Task<RedisServer> StartAsync(int? port = null)
    {
        RequireInstalled();
        var server = new RedisServer(cluster: false, port);
        await server.WaitAsync();
        return server;
    }

    /// <summary>Three masters, a third of the slots each.</summary>
    /// <param name="replicated">The number of the master that a fourth server follows; null for three servers.</param>
    /// <param name="nodeTimeout">After so many milliseconds without an answer a server is taken for dead.</param>
    public static async Task<RedisServer[]> StartClusterAsync(int? replicated = null, int nodeTimeout = 1000)
    {
        RequireInstalled();
        RedisServer[] servers = [.. Enumerable.Range(0, replicated is null ? 3 : 4).Select(_ => new RedisServer(cluster: true, nodeTimeout: nodeTimeout))];
        for (int i = 0; i < servers.Length; i++)
        {
            await servers[i].WaitAsync();
            if (i < 3)
                await servers[i].CommandAsync("CLUSTER", "ADDSLOTSRANGE", Slots * i / 3, (Slots * (i + 1) / 3) - 1);
            await servers[i].CommandAsync("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
        }

        foreach (RedisServer other in servers[1..])
            await other.CommandAsync("CLUSTER", "MEET", "127.0.0.1", servers[0].Port);
        foreach (RedisServer server in servers)
            await server.WaitForAsync("cluster_state:ok", "CLUSTER", "INFO");
        if (replicated is not { } master)
            return servers;

        string id = await servers[master].CommandAsync("CLUSTER", "MYID");
        await servers[3].WaitForAsync(id, "CLUSTER", "NODES");
        await servers[3].CommandAsync("CLUSTER", "REPLICATE", id);
        await servers[3].WaitForAsync("master_link_status:up", "INFO", "replication");
        // Those who vote must know it, too.
        foreach (RedisServer voter in servers[..3])
            await voter.WaitForAsync($"slave {id}", "CLUSTER", "NODES");
        return servers;
    }

    /// <summary>Whether a key is in a cluster's second third of the slots: that of the server number 1.</summary>
    public static bool IsOfSecond(ConnectionMultiplexer redis, string key) => redis.HashSlot(key) is var slot && slot >= Slots / 3 && slot < Slots * 2 / 3;

    /// <summary>Waits until an answer has a text.</summary>
    public async Task WaitForAsync(string text, string command, params object[] arguments)
    {
        for (int tries = 0; !(await CommandAsync(command, arguments)).Contains(text, StringComparison.Ordinal); tries++)
        {
            Assert.True(tries < 300, $"the cluster does not come up: {command} of {Address} has no '{text}'");
            await Task.Delay(100);
        }
    }

    /// <summary>What the server answers to a command.</summary>
    public async Task<string> CommandAsync(string command, params object[] arguments)
    {
        using ConnectionMultiplexer redis = await ConnectionMultiplexer.ConnectAsync($"{Address},allowAdmin=true,abortConnect=false");
        return (await redis.GetServer("127.0.0.1", Port).ExecuteAsync(command, arguments)).ToString();
    }

    /// <summary>Ends it as a crash does.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        // The bus of a cluster listens 10,000 above.
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        return port < 50_000 ? port : port - 20_000;
    }

    private async Task WaitAsync()
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, Port);
                return;
            }
            catch (SocketException) when (tries < 200)
            {
                await Task.Delay(50);
            }
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
