// Eight conversations on one prompt: forks share its memory, a pool limits all of them together, and one call decodes a token of each.
using Kvant.Attention;
using Kvant.Caching;

const int Conversations = 8, Prompt = 2000, Tokens = 100;
// Four layers: one of two looks at the newest 512 tokens alone and forgets the rest.
CacheGeometry geometry = new CacheGeometry { Layers = 4, KvHeads = 2, QueryHeads = 8, KeyDimension = 64, ValueDimension = 64 }
    .WithLayers((layer, shape) => layer % 2 == 0 ? shape with { SlidingWindow = 512 } : shape);
using var pool = new PagePool(memoryLimit: 8 << 20);
KvCacheOptions options = KvCacheOptions.Preset("balanced", geometry) with { Pool = pool };
using var attention = new CacheAttention(geometry, new AttentionSettings { Threads = Environment.ProcessorCount });

var random = new Random(1);
int rowFloats = geometry.KvHeads * geometry.KeyDimension, queryFloats = geometry.QueryHeads * geometry.KeyDimension;
using var prompt = new KvCache(options);
for (int layer = 0; layer < geometry.Layers; layer++)
    prompt.Append(layer, Rows(Prompt * rowFloats), Rows(Prompt * rowFloats));
long one = pool.UsedBytes;
Console.WriteLine($"The prompt of {Prompt} tokens takes {one:N0} bytes; {prompt.LiveTokens(0)} tokens of it in layers with a window, {prompt.LiveTokens(1)} in others.");

KvCache[] caches = [.. Enumerable.Range(0, Conversations).Select(_ => prompt.Fork())];
float[] outputs = new float[Conversations * queryFloats];
for (int token = 0; token < Tokens; token++)
{
    for (int layer = 0; layer < geometry.Layers; layer++)
    {
        // Each says something else.
        foreach (KvCache cache in caches)
        {
            if (!cache.TryAppend(layer, Rows(rowFloats), Rows(rowFloats)))
                throw new InvalidOperationException("The pool is full: end a conversation, or evict.");
        }

        attention.Decode(caches, layer, Rows(Conversations * queryFloats), outputs);
    }
}

long apart = caches.Sum(cache => cache.Statistics.TotalBytes), shared = caches.Sum(cache => cache.Statistics.SharedBytes);
Console.WriteLine($"{Conversations} conversations of {caches[0].Length} tokens: {pool.UsedBytes:N0} bytes, {apart + one:N0} if nothing were shared. {shared / (double)apart:P0} of each is shared with others.");
foreach (KvCache cache in caches)
    cache.Dispose();
Console.WriteLine($"After them the pool holds {pool.UsedBytes:N0} bytes: the prompt.");
return pool.UsedBytes == one && apart > 2 * one ? 0 : 1;

float[] Rows(int count)
{
    float[] rows = new float[count];
    for (int i = 0; i < count; i++)
        rows[i] = (float)((random.NextDouble() * 2) - 1);
    return rows;
}
