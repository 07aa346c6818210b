using System.Globalization;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>
/// Eight forks of one prompt decode side by side on one thread, or one sequence of many heads and layers alone: the median and the slowest of the steps that follow, a token of every
/// sequence in every layer. With a floor, as in <c>balanced-tiny</c>, one sequence's prompt fills all that the cache may hold, and its oldest tokens are coded again with every step. A step's time is that of the processor, its median over the rounds: what it has to do, without the interruptions of a busy machine.
/// </summary>
internal static class ForkSteps
{
    private const int Prompt = 500, LongPrompt = 3000;
    private const int Steps = 100; // three blocks of 32 tokens are closed, and a page ends
    private const int Rounds = 9;

    private static readonly Shape[] s_shapes = [new(8, 30, 3, 9, 64), new(8, 4, 8, 32, 128), new(8, 4, 1, 4, 64), new(1, 32, 8, 32, 128)];

    private sealed record Shape(int Sequences, int Layers, int KvHeads, int QueryHeads, int Dimension);

    public static int Run(string[] presets)
    {
        Console.WriteLine($"Forks of {Prompt} tokens ({LongPrompt} where there is a floor), {Steps} steps, one thread; milliseconds of a step with attention, and of its appends alone");
        Console.WriteLine($"{"forks",5}{"layers",7}{"heads",7}{"d",5}  {"preset",-10}{"median",9}{"first",9}{"slowest",9}{"ratio",7}   {"appends: median",15}{"slowest",9}{"ratio",7}");
        foreach (string preset in presets.Length > 0 ? presets : ["balanced"])
        {
            foreach (Shape shape in s_shapes.Where(shape => !preset.Contains('-', StringComparison.Ordinal) || shape.Sequences == 1))
            {
                (double[] steps, double[] appends) = Measure(preset, shape);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{shape.Sequences,5}{shape.Layers,7}{shape.KvHeads,7}{shape.Dimension,5}  {preset,-10}{Interleaved.Median(steps),9:f3}{steps[0],9:f3}{steps[1..].Max(),9:f3}{steps[1..].Max() / Interleaved.Median(steps),7:f2}   {Interleaved.Median(appends),15:f3}{appends[1..].Max(),9:f3}{appends[1..].Max() / Interleaved.Median(appends),7:f2}"));
            }
        }

        return 0;
    }

    // Without the first round, which warms up.
    private static (double[] Steps, double[] Appends) Measure(string preset, Shape shape)
    {
        var geometry = new CacheGeometry { Layers = shape.Layers, KvHeads = shape.KvHeads, QueryHeads = shape.QueryHeads, KeyDimension = shape.Dimension, ValueDimension = shape.Dimension };
        using var pool = new PagePool();
        (string name, string? floor) = preset.Split('-') is [var first, var second] ? (first, second) : (preset, null);
        int count = floor is null ? Prompt : LongPrompt;
        KvCacheOptions options = new() { Geometry = geometry, Policy = CachePreset.Named(name).ForLayers(shape.Layers), Pool = pool };
        if (floor is not null)
            options = options with { MemoryLimit = CachePlan.For(options, LongPrompt).TotalBytes, Floor = CachePreset.Named(floor).ForLayers(shape.Layers) };
        using var prompt = new KvCache(options);
        using var attention = new CacheAttention(geometry);
        int token = shape.KvHeads * shape.Dimension;
        float[] rows = Random((count + Steps + 1) * token), queries = Random(shape.QueryHeads * shape.Dimension), outputs = new float[queries.Length];
        for (int layer = 0; layer < shape.Layers; layer++)
            prompt.Append(layer, rows.AsSpan(token, count * token), rows.AsSpan(0, count * token));

        double[][] steps = [.. Enumerable.Range(0, Steps).Select(_ => new double[Rounds])], appends = [.. steps.Select(_ => new double[Rounds])];
        for (int round = -1; round < Rounds; round++)
        {
            KvCache[] forks = [.. Enumerable.Range(0, shape.Sequences).Select(_ => prompt.Fork())];
            for (int step = 0; step < Steps; step++)
            {
                ReadOnlySpan<float> row = rows.AsSpan((count + step) * token, token);
                TimeSpan start = Environment.CpuUsage.TotalTime, appending = default;
                foreach (KvCache fork in forks)
                {
                    for (int layer = 0; layer < shape.Layers; layer++)
                    {
                        TimeSpan append = Environment.CpuUsage.TotalTime;
                        fork.Append(layer, row, row);
                        appending += Environment.CpuUsage.TotalTime - append;
                        attention.Decode(fork, layer, queries, outputs);
                    }
                }

                if (round < 0)
                    continue;
                steps[step][round] = (Environment.CpuUsage.TotalTime - start).TotalMilliseconds;
                appends[step][round] = appending.TotalMilliseconds;
            }

            if (floor is not null && forks[0].Statistics.RecodedRows <= prompt.Statistics.RecodedRows)
                throw new InvalidOperationException("Nothing was coded again.");
            Array.ForEach(forks, fork => fork.Dispose());
        }

        return ([.. steps.Select(Interleaved.Median)], [.. appends.Select(Interleaved.Median)]);
    }

    private static float[] Random(int length)
    {
        var random = new SeededRandom(1);
        return [.. Enumerable.Range(0, length).Select(_ => (float)random.NextGaussian())];
    }
}
