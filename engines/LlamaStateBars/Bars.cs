using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kvant.Caching;
using Kvant.LlamaCpp;
using Kvant.LLamaSharp;
using LLama.Native;

namespace LlamaStateBars;

/// <summary>A prompt is read, its state saved, the process ends, another one goes on: what that takes, and what was lost.</summary>
internal static class Bars
{
    private const int Written = 200;
    private const int Followed = 256;

    private static readonly LLamaSeqId s_sequence = (LLamaSeqId)0;

    public static void Run(string model, string text, int count, string[] presets)
    {
        string folder = Directory.CreateTempSubdirectory("kvant-bars").FullName;
        try
        {
            (int[] tokens, List<float[]> wanted) = Prepare(model, text, count, folder, presets);
            foreach (string preset in presets)
            {
                using Process child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Self(), "restore", model, folder, preset]))!;
                child.WaitForExit();
                List<float[]> found = Load(Path.Combine(folder, preset + ".logits"));
                double[] divergence = Divergence.Of(wanted, found);
                Console.WriteLine(Text($"{preset}: {Followed} distributions, KL mean {divergence.Average():G3}, median {Divergence.Median(divergence):G3}"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>What Kvant's own cache loses on the same tokens, with the tail of states and with its own.</summary>
    public static void Own(string model, string text, int count, string preset)
    {
        int[] tokens;
        using (var engine = new Engine(model))
            tokens = Tokens(engine, text, count);
        List<float[]> exact = KvantSide.Follow(model, null, tokens, count);
        LlamaStateOptions state = new();
        foreach ((int Sinks, int Window) tail in ((int, int)[])[(state.Sinks, state.Window), (KvCacheOptions.DefaultSinks, KvCacheOptions.DefaultWindow)])
        {
            double[] own = Divergence.Of(exact, KvantSide.Follow(model, preset, tokens, count, tail));
            Console.WriteLine(Text($"Kvant's own cache, {preset}, {tail.Sinks} sinks and a window of {tail.Window}: {Followed} distributions, KL mean {own.Average():G3}, median {Divergence.Median(own):G3}"));
        }
    }

    /// <summary>Sizes and times alone.</summary>
    public static void Sizes(string model, string text, int count, string[] presets)
    {
        string folder = Directory.CreateTempSubdirectory("kvant-bars").FullName;
        try
        {
            using var engine = new Engine(model);
            (_, double prompt) = Save(engine, Tokens(engine, text, count), count, folder, presets);
            foreach (string preset in presets)
            {
                double restore = Best(5, () => engine.Context.LoadCompressedState(Path.Combine(folder, preset + ".kvant"), s_sequence));
                Console.WriteLine(Text($"{preset}: restored in {restore:F0} ms, 1/{prompt / restore:F0} of computing the prompt"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public static void Restore(string model, string folder, string preset)
    {
        int[] tokens = Numbers(Path.Combine(folder, "tokens")), greedy = Numbers(Path.Combine(folder, "greedy"));
        int count = tokens.Length - Followed;
        double prompt = double.Parse(File.ReadAllText(Path.Combine(folder, "prompt")), CultureInfo.InvariantCulture);
        using var engine = new Engine(model);
        string file = Path.Combine(folder, preset + ".kvant");
        // The first load compiles; the best of the next is what loading costs.
        double restore = Best(5, () => engine.Context.LoadCompressedState(file, s_sequence));
        int[] found = engine.Greedy(LastLogits(engine, tokens, count), count, Written);
        engine.Context.LoadCompressedState(file, s_sequence);
        _ = LastLogits(engine, tokens, count);
        Save(Path.Combine(folder, preset + ".logits"), engine.Follow(tokens.AsSpan(count), count));
        Console.WriteLine(Text($"{preset}: restored in {restore:F0} ms, 1/{prompt / restore:F0} of computing the prompt; {found.Zip(greedy).TakeWhile(pair => pair.First == pair.Second).Count()} of {Written} greedy tokens equal"));
    }

    private static (int[] Tokens, List<float[]> Wanted) Prepare(string model, string text, int count, string folder, string[] presets)
    {
        using var engine = new Engine(model);
        int[] tokens = Tokens(engine, text, count);
        (float[] logits, double prompt) = Save(engine, tokens, count, folder, presets);
        // What is written behind the prompt is forgotten, and the prompt is as it was.
        int[] greedy = engine.Greedy(logits, count, Written);
        _ = LastLogits(engine, tokens, count);
        List<float[]> wanted = engine.Follow(tokens.AsSpan(count), count);
        File.WriteAllText(Path.Combine(folder, "prompt"), prompt.ToString("R", CultureInfo.InvariantCulture));
        File.WriteAllText(Path.Combine(folder, "tokens"), JsonSerializer.Serialize(tokens));
        File.WriteAllText(Path.Combine(folder, "greedy"), JsonSerializer.Serialize(greedy));
        return (tokens, wanted);
    }

    private static int[] Tokens(Engine engine, string text, int count)
    {
        int[] tokens = [.. engine.Context.Tokenize(File.ReadAllText(text), addBos: false).Select(token => (int)token).Take(count + Followed)];
        return tokens.Length == count + Followed ? tokens : throw new InvalidDataException($"{text} has {tokens.Length} tokens; {count + Followed} are wanted.");
    }

    // Computes the prompt and saves it with each preset.
    private static (float[] Logits, double Prompt) Save(Engine engine, int[] tokens, int count, string folder, string[] presets)
    {
        _ = engine.Read(tokens.AsSpan(0, 64), 0);
        engine.Context.NativeHandle.MemoryClear();
        long start = Stopwatch.GetTimestamp();
        float[] logits = engine.Read(tokens.AsSpan(0, count), 0);
        double prompt = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        long raw = (long)engine.Context.NativeHandle.GetStateSize(s_sequence);
        Console.WriteLine(Text($"{count} tokens computed in {prompt:F0} ms; their state takes {raw} bytes"));
        foreach (string preset in presets)
        {
            string file = Path.Combine(folder, preset + ".kvant");
            double save = Best(3, () => engine.Context.SaveCompressedState(file, s_sequence, new() { Policy = CachePreset.Named(preset).ForLayers(1), Tokens = tokens[..count] }));
            long length = new FileInfo(file).Length;
            Console.WriteLine(Text($"{preset}: {length} bytes, {(double)raw / length:F3} times smaller; saved in {save:F0} ms, 1/{prompt / save:F1} of computing the prompt"));
        }

        return (logits, prompt);
    }

    // Logits are in no state: the last token is read again.
    private static float[] LastLogits(Engine engine, int[] tokens, int count)
    {
        engine.Context.NativeHandle.MemorySequenceRemove(s_sequence, count - 1, -1);
        return engine.Read(tokens.AsSpan(count - 1, 1), count - 1);
    }

    private static double Best(int rounds, Action action)
    {
        double best = double.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return best;
    }

    // Below `dotnet` the program is an argument.
    private static string[] Self() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];

    private static int[] Numbers(string path) => JsonSerializer.Deserialize<int[]>(File.ReadAllText(path))!;

    private static void Save(string path, List<float[]> rows)
    {
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(rows.Count);
        foreach (float[] row in rows)
        {
            writer.Write(row.Length);
            foreach (float number in row)
                writer.Write(number);
        }
    }

    private static List<float[]> Load(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        List<float[]> rows = [];
        for (int count = reader.ReadInt32(); rows.Count < count;)
        {
            float[] row = new float[reader.ReadInt32()];
            for (int i = 0; i < row.Length; i++)
                row[i] = reader.ReadSingle();
            rows.Add(row);
        }

        return rows;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
