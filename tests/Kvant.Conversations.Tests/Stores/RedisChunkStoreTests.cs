using Kvant.Conversations.Chunks;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;
using StackExchange.Redis;

namespace Kvant.Conversations.Tests.Stores;

/// <summary>A single server, started for all tests of the class.</summary>
public sealed class RedisSingleTests(RedisSingleTests.Server server) : StoreContract, IClassFixture<RedisSingleTests.Server>
{
    protected override async Task<IChunkStore> CreateAsync() => await RedisChunkStore.ConnectAsync(await server.AddressAsync(), new() { Prefix = Guid.NewGuid().ToString() });

    [Fact]
    public async Task ChunksLiveAsLongAsTheyAreUsed()
    {
        await using RedisChunkStore store = await RedisChunkStore.ConnectAsync(await server.AddressAsync(), new() { Prefix = "ttl", TimeToLive = TimeSpan.FromMinutes(10) });
        ChunkKey[] key = Keys(1, 1);
        await store.PutAsync(key, Memories(Value(10, 1)));
        using ConnectionMultiplexer redis = await ConnectionMultiplexer.ConnectAsync(await server.AddressAsync());
        IDatabase database = redis.GetDatabase();
        RedisKey name = $"ttl:{{{key[0]}}}";
        Assert.InRange((await database.KeyTimeToLiveAsync(name))!.Value, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(10));
        await database.KeyExpireAsync(name, TimeSpan.FromSeconds(30));
        await store.ContainsAsync(key);
        Assert.InRange((await database.KeyTimeToLiveAsync(name))!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        await GetAsync(store, key[0]);
        for (int tries = 0; (await database.KeyTimeToLiveAsync(name))!.Value < TimeSpan.FromMinutes(9); tries++)
            await Task.Delay(tries < 100 ? 20 : throw new TimeoutException("nobody renewed it"));
    }

    [Fact]
    public async Task LimitsAreKept()
    {
        await using RedisChunkStore store = await RedisChunkStore.ConnectAsync(await server.AddressAsync(), new() { LargestValue = 100 });
        Assert.Equal((PutOutcome[])[PutOutcome.Stored, PutOutcome.TooLong], await store.PutAsync(Keys(2, 5), Memories(Value(100, 1), Value(101, 2))));
        Assert.Throws<ArgumentException>(() => new RedisChunkOptions { Prefix = "a{b" });
        Assert.Throws<ArgumentOutOfRangeException>(() => new RedisChunkOptions { TimeToLive = TimeSpan.Zero });
    }

    [Fact]
    public async Task ServerThatDiesIsAMissAndComesBack()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8")) with { TimeLimit = TimeSpan.FromSeconds(5) };
        int[] tokens = Samples.Tokens(600, 1);
        RedisServer own = await RedisServer.StartAsync();
        await using RedisChunkStore store = await RedisChunkStore.ConnectAsync(own.Address + ",connectTimeout=1000,asyncTimeout=1000");
        await Samples.StoreAsync(store, options, tokens);
        Assert.Equal(4 + (4 * 128), (await Samples.RestoreAsync(store, options, tokens)).Tokens);
        own.Dispose();
        (int found, ChunkMiss? miss) = await Samples.RestoreAsync(store, options, tokens);
        Assert.Equal(0, found);
        Assert.NotNull(miss);
        Assert.NotEqual(PutOutcome.Stored, Assert.Single(await store.PutAsync(Keys(1, 1), Memories(Value(1, 1)))));

        using RedisServer again = await RedisServer.StartAsync(own.Port);
        for (int tries = 0; (await store.PutAsync(Keys(1, 1), Memories(Value(9, 1))))[0] != PutOutcome.Stored; tries++)
            await Task.Delay(tries < 150 ? 100 : throw new TimeoutException("the store does not find the server again"));
        Assert.Equal(Value(9, 1), await GetAsync(store, Keys(1, 1)[0]));
    }

    [Fact]
    public async Task ServerThatWasNeverThereIsAMiss()
    {
        await using RedisChunkStore store = await RedisChunkStore.ConnectAsync("127.0.0.1:1,connectTimeout=200,connectRetry=1");
        Assert.Equal((bool[])[false], await store.ContainsAsync(Keys(1, 1)));
        Assert.Null(await GetAsync(store, Keys(1, 1)[0]));
    }

    public sealed class Server : IDisposable
    {
        private readonly SemaphoreSlim _one = new(1);
        private RedisServer? _server;

        public async Task<string> AddressAsync()
        {
            await _one.WaitAsync();
            try
            {
                return (_server ??= await RedisServer.StartAsync()).Address;
            }
            finally
            {
                _one.Release();
            }
        }

        public void Dispose()
        {
            _server?.Dispose();
            _one.Dispose();
        }
    }
}
