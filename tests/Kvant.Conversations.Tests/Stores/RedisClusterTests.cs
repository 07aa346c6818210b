using Kvant.Conversations.Chunks;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Stores;

/// <summary>Three servers that are a cluster, started for all tests of the class.</summary>
public sealed class RedisClusterTests(RedisClusterTests.Cluster cluster) : StoreContract, IClassFixture<RedisClusterTests.Cluster>
{
    protected override async Task<IChunkStore> CreateAsync() => await RedisChunkStore.ConnectAsync((await cluster.ServersAsync())[0].Address, new() { Prefix = Guid.NewGuid().ToString() });

    [Fact]
    public async Task NodeThatIsKilledCostsItsChunksAndNoWrongByte()
    {
        RedisServer[] servers = await RedisServer.StartClusterAsync();
        try
        {
            await using RedisChunkStore store = await RedisChunkStore.ConnectAsync(
                $"{servers[0].Address},{servers[2].Address},connectTimeout=1000,asyncTimeout=1000", new() { Pause = TimeSpan.FromMilliseconds(300) });
            ChunkKey[] keys = Keys(60, 1);
            byte[][] values = [.. keys.Select((_, i) => Value(5000, i))];
            Assert.All(await store.PutAsync(keys, Memories(values)), outcome => Assert.Equal(PutOutcome.Stored, outcome));
            int hits = await CountAsync();
            Assert.Equal(60, hits);

            // In the middle of a run.
            Task run = Task.Run(async () =>
            {
                for (int i = 0; i < 10; i++)
                    await CountAsync();
            });
            servers[1].Kill();
            await run;
            hits = await CountAsync();
            Assert.InRange(hits, 0, 59);

            // The rest of the cluster serves its part again once it knows; a new master of the slots would serve them, too.
            for (int tries = 0; hits < 20; tries++)
            {
                Assert.True(tries < 100, $"{hits} chunks are found");
                await Task.Delay(200);
                hits = await CountAsync();
            }

            async Task<int> CountAsync()
            {
                byte[][] memory = [.. keys.Select(_ => new byte[5000])];
                ChunkAnswer[] answers = await store.GetAsync(keys, [.. memory.Select(m => m.AsMemory())]);
                for (int i = 0; i < keys.Length; i++)
                    Assert.True(answers[i].Miss is not null || memory[i].AsSpan().SequenceEqual(values[i]), $"chunk {i} has a wrong byte");
                return answers.Count(a => a.Miss is null);
            }
        }
        finally
        {
            foreach (RedisServer server in servers)
                server.Dispose();
        }
    }

    public sealed class Cluster : IDisposable
    {
        private readonly SemaphoreSlim _one = new(1);
        private RedisServer[]? _servers;

        internal async Task<RedisServer[]> ServersAsync()
        {
            await _one.WaitAsync();
            try
            {
                return _servers ??= await RedisServer.StartClusterAsync();
            }
            finally
            {
                _one.Release();
            }
        }

        public void Dispose()
        {
            foreach (RedisServer server in _servers ?? [])
                server.Dispose();
            _one.Dispose();
        }
    }
}
