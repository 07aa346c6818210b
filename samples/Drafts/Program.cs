// Speculative drafts: a tree of guesses is looked at in one call, the branch that holds is kept, and a draft that was appended too far is cut.
using Kvant.Attention;
using Kvant.Caching;

const int Prompt = 500, Layer = 0;
var geometry = new CacheGeometry { Layers = 1, KvHeads = 2, QueryHeads = 4, KeyDimension = 64, ValueDimension = 64 };
int keyFloats = geometry.KvHeads * geometry.KeyDimension, queryFloats = geometry.QueryHeads * geometry.KeyDimension;

// Room for cuts of at most 8 tokens that leave compressed rows alone.
using var cache = new KvCache(KvCacheOptions.Preset("balanced", geometry) with { DraftTokens = 8 });
using var attention = new CacheAttention(geometry);
float[] keys = Random(1, Prompt * keyFloats), values = Random(2, Prompt * keyFloats);
cache.Append(Layer, keys, values);

// A tree: token 0 follows the text, 1 and 2 are two guesses behind it, 3 follows 2.
int[] parents = [-1, 0, 0, 2];
float[] draftQueries = Random(3, parents.Length * queryFloats), draftKeys = Random(4, parents.Length * keyFloats), draftValues = Random(5, parents.Length * keyFloats);
float[] drafted = new float[parents.Length * queryFloats];
attention.Prefill(cache, Layer, draftQueries, draftKeys, draftValues, drafted, mask: ChunkMask.Tree(parents), append: false);
Console.WriteLine($"{parents.Length} drafts were looked at; the cache still has {cache.Length} tokens.");

// Say 0, 2 and 3 turned out right: append them, and compare with what each would have seen alone.
float[] alone = new float[queryFloats];
double largest = 0;
foreach (int token in (int[])[0, 2, 3])
{
    cache.Append(Layer, draftKeys.AsSpan(token * keyFloats, keyFloats), draftValues.AsSpan(token * keyFloats, keyFloats));
    attention.Decode(cache, Layer, draftQueries.AsSpan(token * queryFloats, queryFloats), alone);
    for (int i = 0; i < queryFloats; i++)
        largest = Math.Max(largest, Math.Abs(alone[i] - drafted[(token * queryFloats) + i]));
}

Console.WriteLine($"Kept 3 of them: {cache.Length} tokens. Outputs of the tree and of token by token differ by at most {largest:E1}.");

// The other way: append a draft of six, keep two.
int before = cache.Length;
cache.Append(Layer, Random(6, 6 * keyFloats), Random(7, 6 * keyFloats));
cache.Truncate(before + 2);
Console.WriteLine($"A draft of 6 was cut to 2: {cache.Length} tokens, {cache.Statistics.ExactRows} of them as they were appended.");
return largest < 1e-2 && cache.Length == before + 2 ? 0 : 1;

static float[] Random(int seed, int count)
{
    var random = new Random(seed);
    return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
}
