using System.Globalization;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace OnnxBars;

/// <summary>
/// How far logits of two programs stand apart that both are right: the same model in two graphs, of which one attends by products and a softmax and the other by GroupQueryAttention, both with rows of
/// halves. They add in another order alone; but where a number lies near the border between two halves, it falls on either side.
/// </summary>
internal static class Floor
{
    /// <summary>Compares plain sessions of both graphs, and the decoder of each that is cut with its plain session.</summary>
    public static void Run(string gguf, string concat, string group, string textFile, int tokens)
    {
        using GgufFile file = GgufFile.Open(gguf);
        int[] text = Tokenizer.Read(file).Encode(File.ReadAllText(textFile), addBegin: false)[..tokens];
        Way[] ways = [new("plain", concat, ""), new("plain", group, ""), new("cut", concat, "fp16"), new("cut", group, "fp16")];
        (string Name, int One, int Other)[] pairs = [("plain Concat and plain GroupQueryAttention", 0, 1), ("cut Concat and plain Concat", 2, 0), ("cut GroupQueryAttention and plain GroupQueryAttention", 3, 1), ("cut Concat and plain GroupQueryAttention", 2, 1), ("cut GroupQueryAttention and plain Concat", 3, 0)];
        List<float>[] differences = [.. pairs.Select(_ => new List<float>())];
        foreach (int token in text)
        {
            float[][] logits = [.. ways.Select(way => way.Forward(token))];
            for (int i = 0; i < pairs.Length; i++)
                differences[i].Add(logits[pairs[i].One].Zip(logits[pairs[i].Other], (a, b) => Math.Abs(a - b)).Max());
        }

        for (int i = 0; i < pairs.Length; i++)
        {
            float[] sorted = [.. differences[i].Order()];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{pairs[i].Name}: logits of {sorted.Length} tokens differ in the middle by {sorted[sorted.Length / 2]:G2}, of one in ten by {sorted[sorted.Length * 9 / 10]:G2}, of one in a hundred by {sorted[sorted.Length * 99 / 100]:G2}, at most by {sorted[^1]:G2}"));
        }

        foreach (Way way in ways)
            way.Dispose();
    }
}
