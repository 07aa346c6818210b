using System.Globalization;
using Garnet;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Stores;

/// <summary>A Garnet server in this process: no program to install.</summary>
public sealed class GarnetTests(GarnetTests.Server server) : StoreContract, IClassFixture<GarnetTests.Server>
{
    protected override async Task<IChunkStore> CreateAsync() => await RedisChunkStore.ConnectAsync(server.Address, new() { Prefix = Guid.NewGuid().ToString() });

    public sealed class Server : IDisposable
    {
        private readonly GarnetServer _server;

        public Server()
        {
            string port = RedisServer.FreePort().ToString(CultureInfo.InvariantCulture);
            _server = new GarnetServer(["--port", port, "--bind", "127.0.0.1", "--memory", "64m", "--page", "4m", "--index", "1m", "--logger-level", "Error"]);
            _server.Start();
            Address = $"127.0.0.1:{port}";
        }

        public string Address { get; }

        public void Dispose() => _server.Dispose();
    }
}
