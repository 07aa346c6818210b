using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Speed;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Speed;

public sealed class PlainAttentionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(127, 1)]
    [InlineData(300, 1)]
    [InlineData(300, 2)]
    [InlineData(300, 5)] // more threads than heads: tokens are split
    [InlineData(100, 5)] // and some parts are empty
    public void EqualsTheDefinitionInDoublePrecision(int tokens, int threads)
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 2, QueryHeads = 6, KeyDimension = 64, ValueDimension = 48 };
        using var rows = new PlainRows(geometry, tokens);
        rows.Randomize(seed: 1);
        float[] queries = RandomVectors.Normal(6, 64, seed: 2), outputs = new float[6 * 48];
        using var team = new WorkerTeam(threads);
        var attention = new PlainAttention(geometry, team);
        attention.Decode(rows, queries, outputs);
        for (int q = 0; q < 6; q++)
        {
            float[] keys = [.. MemoryMarshal.Cast<byte, float>(rows.Keys(q / 3))], values = [.. MemoryMarshal.Cast<byte, float>(rows.Values(q / 3))];
            double[] logits = [.. Enumerable.Range(0, tokens).Select(t => Enumerable.Range(0, 64).Sum(c => (double)queries[(q * 64) + c] * keys[(t * 64) + c]) / 8)];
            double[] wanted = ReferenceAttention.Output(ReferenceAttention.Softmax(logits), values, 48);
            // Sums of at most 300 floats, each rounded to 6e-8.
            Assert.All(wanted.Zip(outputs.Skip(q * 48)), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        }
    }
}
