using Kvant.Caching;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.Tests;

namespace Kvant.Fuzz.Targets;

/// <summary>States of llama.cpp, in memory and in files. What is taken is compressed without loss and comes back as it was: nothing else would have been whole.</summary>
internal static class LlamaStateTarget
{
    private static readonly Lazy<LlamaStateOptions> s_exact = new(static () => new() { Policy = [LayerSpecs.Parse("fp32")], Threads = 1 });

    internal static FuzzTarget Target { get; } = new("llamastate", static () => FuzzCorpus, Read, static e => e is InvalidDataException)
    {
        // A compressed form and what comes of it are part of it.
        AllocatedAtMost = 4 << 20,
    };

    private static byte[][] FuzzCorpus => [.. Samples.All.Select(sample => sample.ToBytes()).Where(bytes => bytes.Length < 40_000)];

    private static void Read(FuzzInput input)
    {
        LlamaState state = LlamaState.Read(new MemoryStream(input.Bytes));
        using MemoryStream file = new(), back = new();
        LlamaStateFile.Compress(state, file, s_exact.Value);
        file.Position = 0;
        LlamaStateFile.Open(file).Restore(back, threads: 1);
        if (!back.GetBuffer().AsSpan(0, (int)back.Length).SequenceEqual(input.Bytes))
            throw new InvalidOperationException("Another state came back.");
    }
}
