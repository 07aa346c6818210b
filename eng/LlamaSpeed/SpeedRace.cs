using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace LlamaSpeed;

/// <summary>Tokens per second of llama.cpp and of Kvant, on one file, round by round; medians count. With one thread the process's own time on the
/// processor is counted beside the clock's: on a machine that others use it is the one that can be trusted.</summary>
internal static class SpeedRace
{
    private const int Rounds = 5;
    private const int Steps = 8;

    public static void Run(string path, int threads, int prompt)
    {
        using LanguageModel model = LanguageModel.Open(path), copied = LanguageModel.Open(path);
        Stopwatch copying = Stopwatch.StartNew();
        long bytes = copied.CopyWeights(threads);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"weights copied: {bytes / 1e6:0} MB in {copying.Elapsed.TotalSeconds:0.0} s; the file has {new FileInfo(path).Length / 1e6:0} MB"));
        using WorkerTeam team = new(threads);
        CodecSpec fp16 = CodecSpec.Parse("fp16");
        using KvCache cache = new(model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, fp16, fp16)));
        using CompressedAttention attention = new(cache, team: team);
        using Decoder fast = new(model, attention, new DecoderOptions { Arithmetic = Arithmetic.Fast, Batch = 512, BeyondContext = true }, team);
        using Decoder fastest = new(copied, attention, new DecoderOptions { Arithmetic = Arithmetic.Fast, Batch = 512, BeyondContext = true }, team);
        using Llama llama = new(path, 2048, threads);
        float[] logits = new float[model.VocabularySize];
        (string Name, Action Clear, Action<int[]> Read)[] racers =
        [
            ("llama.cpp", llama.Clear, llama.Decode), ("Kvant", cache.Clear, t => fast.Forward(t, logits)), ("Kvant copied", cache.Clear, t => fastest.Forward(t, logits)),
        ];
        Check(llama, cache, fast, fastest, logits);
        int[] text = [.. Enumerable.Range(0, prompt).Select(i => i * 7 % 1000)];
        List<Times>[] prompts = [[], [], []], steps = [[], [], []];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < racers.Length; i++)
            {
                if (prompt > 0 && round < Math.Max(2, Rounds - 2))
                {
                    racers[i].Clear();
                    Times start = Times.Now();
                    racers[i].Read(text);
                    prompts[i].Add(Times.Now() - start);
                }

                racers[i].Clear();
                racers[i].Read([1]);
                for (int step = 0; step < Steps; step++)
                {
                    Times start = Times.Now();
                    racers[i].Read([step]);
                    steps[i].Add(Times.Now() - start);
                }
            }
        }

        Console.WriteLine($"{Path.GetFileName(path)}, {threads} thread(s): tokens per second (and by time on the processor)");
        for (int i = 0; i < racers.Length; i++)
            Console.WriteLine($"  {racers[i].Name,-12} prompt of {prompt}: {Rate(prompts[i], prompt)}  decode: {Rate(steps[i], 1)}");
        for (int i = 1; i < racers.Length; i++) Console.WriteLine($"  {racers[i].Name} / llama.cpp: prompt {Ratio(prompts, i)}, decode {Ratio(steps, i)}");
    }

    // All three say what comes behind one token. Kvant's two differ in the order in which floats add up, and so in which way some numbers are rounded to 16 bits: a product then errs by
    // 2e-5 of its norm, some 150 of them by 3e-4. llama.cpp rounds to 8 bits.
    private static void Check(Llama llama, KvCache cache, Decoder mapped, Decoder copied, float[] logits)
    {
        float[] other = new float[logits.Length];
        llama.Clear();
        llama.Decode([1]);
        mapped.Forward([1], logits);
        cache.Clear();
        copied.Forward([1], other);
        cache.Clear();
        Require("the copied weights'", other, logits, 1e-3);
        Require("llama.cpp's", llama.Logits(), logits, .1);
    }

    private static void Require(string whose, ReadOnlySpan<float> found, ReadOnlySpan<float> wanted, double most)
    {
        double error = TensorPrimitives.Distance(found, wanted) / TensorPrimitives.Norm(wanted);
        if (!(error <= most))
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{whose} logits are {error:0.0000} away from those of the mapped weights, at most {most} is wanted"));
    }

    private static string Rate(List<Times> times, int tokens) => times.Count == 0 ? "-"
        : string.Create(CultureInfo.InvariantCulture, $"{tokens / Median(times.Select(t => t.Clock)):0.0} ({tokens / Median(times.Select(t => t.Processor)):0.0})");

    private static string Ratio(List<Times>[] times, int racer) => times[0].Count == 0 ? "-"
        : string.Create(CultureInfo.InvariantCulture, $"{Median(times[0].Select(t => t.Clock)) / Median(times[racer].Select(t => t.Clock)):0.00} ({Median(times[0].Select(t => t.Processor)) / Median(times[racer].Select(t => t.Processor)):0.00})");

    private static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    // Seconds of the clock, and on the processor, all threads together.
    private readonly record struct Times(double Clock, double Processor)
    {
        public static Times Now() => new(Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency, Environment.CpuUsage.TotalTime.TotalSeconds);

        public static Times operator -(Times a, Times b) => new(a.Clock - b.Clock, a.Processor - b.Processor);
    }
}
