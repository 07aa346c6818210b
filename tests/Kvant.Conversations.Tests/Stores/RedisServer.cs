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

    private RedisServer(bool cluster, int? port = null)
    {
        Port = port ?? FreePort();
        ProcessStartInfo start = new("redis-server") { WorkingDirectory = _folder.FullName, RedirectStandardOutput = true };
        foreach (string argument in (string[])["--port", Text(Port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no", "--cluster-enabled", cluster ? "yes" : "no", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no", "--maxmemory", "256mb"])
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
    public static async Task<RedisServer[]> StartClusterAsync()
    {
        RequireInstalled();
        RedisServer[] servers = [new(cluster: true), new(cluster: true), new(cluster: true)];
        for (int i = 0; i < servers.Length; i++)
        {
            await servers[i].WaitAsync();
            await servers[i].CommandAsync("CLUSTER", "ADDSLOTSRANGE", Slots * i / 3, (Slots * (i + 1) / 3) - 1);
            await servers[i].CommandAsync("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
        }

        foreach (RedisServer other in servers[1..])
            await other.CommandAsync("CLUSTER", "MEET", "127.0.0.1", servers[0].Port);
        foreach (RedisServer server in servers)
        {
            for (int tries = 0; !(await server.CommandAsync("CLUSTER", "INFO")).Contains("cluster_state:ok", StringComparison.Ordinal); tries++)
            {
                Assert.True(tries < 300, "the cluster does not come up");
                await Task.Delay(100);
            }
        }

        return servers;
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

    private async Task<string> CommandAsync(string command, params object[] arguments)
    {
        using ConnectionMultiplexer redis = await ConnectionMultiplexer.ConnectAsync($"{Address},allowAdmin=true,abortConnect=false");
        return (await redis.GetServer("127.0.0.1", Port).ExecuteAsync(command, arguments)).ToString();
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
