using System.Diagnostics;
using System.Globalization;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace LlamaSpeed;

/// <summary>Tokens per second behind a long context: llama.cpp with each of its types of cache, Kvant with some of its own, in turn. Kvant's caches hold
/// random rows, llama.cpp's the rows of a short text over and over; what is in them does not change how long a step takes.</summary>
internal static class DepthRace
{
    private const int Rounds = 7;
    private const int Steps = 3;

    private static readonly (string Name, int Type)[] Types = [("f16", 1), ("q8_0", 8), ("q4_0", 2)];
    private static readonly string[] Policies = ["fp16", "turboquant:bits=4", "balanced"];

    public static void Run(string path, int threads, int tokens)
    {
        using LanguageModel model = LanguageModel.Open(path);
        model.CopyWeights(threads);
        using WorkerTeam team = new(threads);
        List<(string Name, Action Step)> racers = [];
        List<IDisposable> open = [];
        float[] logits = new float[model.VocabularySize];
        foreach ((string name, int type) in Types)
        {
            Llama llama = new(path, tokens + 256, threads, type);
            open.Add(llama);
            llama.Fill(tokens);
            racers.Add(("llama.cpp " + name, () => llama.Decode([1])));
        }

        foreach (string policy in Policies)
        {
            KvCache cache = new(CachePreset.All.Any(p => p.Name == policy)
                ? KvCacheOptions.Preset(policy, model.CacheGeometry)
                : new KvCacheOptions { Geometry = model.CacheGeometry, Policy = LayerPolicy.Uniform(model.Config.Layers, CodecSpec.Parse(policy), CodecSpec.Parse(policy)) });
            CompressedAttention attention = new(cache, team: team);
            Fill(cache, tokens);
            Decoder decoder = new(model, attention, new DecoderOptions { Arithmetic = Arithmetic.Fast, BeyondContext = true }, team);
            open.AddRange([decoder, attention, cache]);
            racers.Add(("Kvant " + policy, () => decoder.Forward([1], logits)));
        }

        List<double>[] times = [.. racers.Select(_ => new List<double>())];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < racers.Count; i++)
            {
                for (int step = 0; step < Steps; step++)
                {
                    long start = Stopwatch.GetTimestamp();
                    racers[i].Step();
                    // The first one finds the others' bytes in the processor's caches.
                    if (step > 0) times[i].Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
                }
            }
        }

        double[] rates = [.. times.Select(t => 1 / t.Order().ElementAt(t.Count / 2))];
        double best = rates.Take(Types.Length).Max();
        Console.WriteLine($"{Path.GetFileName(path)}, {threads} thread(s), behind {tokens} tokens: tokens per second, and beside llama.cpp's best");
        for (int i = 0; i < racers.Count; i++) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {racers[i].Name,-24} {rates[i],7:0.0}  {rates[i] / best,6:0.00}"));
        foreach (IDisposable one in open) one.Dispose();
    }

    private static void Fill(KvCache cache, int tokens)
    {
        CacheGeometry geometry = cache.Geometry;
        for (int first = 0; first < tokens; first += 1024)
        {
            int count = Math.Min(1024, tokens - first), width = geometry.KvHeads * geometry.KeyDimension;
            float[] keys = Rows(count * width, 2 * first), values = Rows(count * width, (2 * first) + 1);
            for (int layer = 0; layer < geometry.Layers; layer++) cache.Append(layer, keys, values);
        }
    }

    private static float[] Rows(int length, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.NextSingle() + random.NextSingle() + random.NextSingle() - 1.5f)];
    }
}
