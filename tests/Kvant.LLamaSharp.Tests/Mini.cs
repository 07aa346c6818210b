using Kvant.Caching;
using Kvant.LlamaCpp;
using LLama.Common;
using LLama.Native;
using LlamaStateBars;

// Each context takes all threads, and what all of them hold is counted.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Kvant.LLamaSharp.Tests;

/// <summary>The small model that ships, in contexts of llama.cpp.</summary>
internal static class Mini
{
    /// <summary>Nothing is lost.</summary>
    public static readonly LlamaStateOptions Exact = new() { Policy = [LayerSpecs.Parse("fp32")] };

    static Mini() => Engine.Silence();

    public static string Model { get; } = Path.Combine(AppContext.BaseDirectory, "models", "mini.gguf");

    /// <summary>Another model of the same shape.</summary>
    public static string Other { get; } = Path.Combine(AppContext.BaseDirectory, "models", "mini-bias.gguf");

    public static string Text { get; } = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt"));

    /// <summary>A context.</summary>
    public static Engine Open(Action<ModelParams>? change = null, uint context = 2048, string? model = null) => new(model ?? Model, change, context);

    /// <summary>Tokens of the text.</summary>
    public static int[] Tokens(Engine engine, int count, int first = 0) => [.. engine.Context.Tokenize(Text, addBos: false).Skip(first).Take(count).Select(token => (int)token)];

    /// <summary>The bytes of a state.</summary>
    public static byte[] State(Engine engine, int? sequence = null)
    {
        using NativeBuffer buffer = NativeBuffer.Of(engine.Context, sequence is { } one ? (LLamaSeqId)one : null);
        using UnmanagedMemoryStream stream = buffer.Open();
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>A state, compressed.</summary>
    public static byte[] Save(Engine engine, int? sequence = null, LlamaStateOptions? options = null)
    {
        using var file = new MemoryStream();
        engine.Context.SaveCompressedState(file, sequence is { } one ? (LLamaSeqId)one : null, options);
        return file.ToArray();
    }

    /// <summary>Loads it.</summary>
    public static LlamaStateFile Load(Engine engine, byte[] file, int? sequence = null, CacheIdentity? expected = null) =>
        engine.Context.LoadCompressedState(new MemoryStream(file), sequence is { } one ? (LLamaSeqId)one : null, expected);

    /// <summary>What is written behind a sequence whose last token is read again.</summary>
    public static int[] GoOn(Engine engine, int last, int end, int count, int sequence = 0)
    {
        engine.Context.NativeHandle.MemorySequenceRemove((LLamaSeqId)sequence, end - 1, -1);
        return engine.Greedy(engine.Read([last], end - 1, sequence), end, count, sequence);
    }
}
