using Kvant.Conversations.Chunks;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;
using StackExchange.Redis;

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

    [Fact]
    public async Task ReplicaThatTakesOverServesTheSlotsOfItsMaster()
    {
        const string prefix = "taken-over";
        RedisServer[] servers = await RedisServer.StartClusterAsync(replicated: 1, nodeTimeout: 2000);
        try
        {
            await using RedisChunkStore store = await RedisChunkStore.ConnectAsync(
                $"{servers[0].Address},{servers[2].Address},connectTimeout=1000,asyncTimeout=1000", new() { Prefix = prefix, Pause = TimeSpan.FromMilliseconds(300) });
            ChunkKey[] keys = Keys(60, 1);
            byte[][] values = [.. keys.Select((_, i) => Value(5000, i))];
            ChunkKey[] ofMaster;
            using (ConnectionMultiplexer redis = await ConnectionMultiplexer.ConnectAsync(servers[0].Address))
                ofMaster = [.. keys.Where(key => RedisServer.IsOfSecond(redis, $"{prefix}:{{{key}}}"))];
            Assert.InRange(ofMaster.Length, 5, 40);
            await UntilAsync("all is stored", async () => (await store.PutAsync(keys, Memories(values))).All(outcome => outcome == PutOutcome.Stored));
            Assert.Equal(60, await CountAsync());
            await UntilAsync("the replica has everything", async () => await servers[3].CommandAsync("DBSIZE") == await servers[1].CommandAsync("DBSIZE"));

            // In the middle of a run.
            using CancellationTokenSource end = new();
            int least = 60;
            Task run = Task.Run(async () =>
            {
                while (!end.IsCancellationRequested)
                    least = Math.Min(least, await CountAsync());
            });
            servers[1].Kill();
            await UntilAsync("its chunks are misses", () => Task.FromResult(Volatile.Read(ref least) < 60));
            await UntilAsync("the replica serves its chunks", async () => await CountAsync() == 60);
            await end.CancelAsync();
            await run;
            Assert.InRange(least, 0, 59); // on a busy machine others may be late, too
            Assert.Contains("role:master", await servers[3].CommandAsync("INFO", "replication"), StringComparison.Ordinal);

            // And takes others, by the same connection.
            ChunkKey first = ofMaster[0];
            await UntilAsync("the replica takes chunks", async () => (await store.PutAsync([first], Memories(Value(300, 7)))) is [PutOutcome.Stored]);
            Assert.Equal(Value(300, 7), await GetAsync(store, first));
            await store.RemoveAsync([first]);
            Assert.Equal((bool[])[false], await store.ContainsAsync([first]));

            async Task<int> CountAsync()
            {
                byte[][] memory = [.. keys.Select(_ => new byte[5000])];
                ChunkAnswer[] answers = await store.GetAsync(keys, [.. memory.Select(m => m.AsMemory())]);
                for (int i = 0; i < keys.Length; i++)
                    Assert.True(answers[i].Miss is ChunkMiss.TimedOut or ChunkMiss.Unreachable || memory[i].AsSpan().SequenceEqual(values[i]), $"chunk {i}: {answers[i].Miss}, or a wrong byte");
                return answers.Count(a => a.Miss is null);
            }
        }
        finally
        {
            foreach (RedisServer server in servers)
                server.Dispose();
        }

        static async Task UntilAsync(string what, Func<Task<bool>> isTrue)
        {
            var deadline = Task.Delay(TimeSpan.FromSeconds(60));
            while (!await isTrue())
            {
                Assert.False(deadline.IsCompleted, $"after a minute not yet: {what}");
                await Task.Delay(50);
            }
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
                // Nobody dies here; on a busy machine nobody is taken for dead, either.
                return _servers ??= await RedisServer.StartClusterAsync(nodeTimeout: 15_000);
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
