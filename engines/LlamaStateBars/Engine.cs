using System.Globalization;
using LLama;
using LLama.Common;
using LLama.Native;

namespace LlamaStateBars;

/// <summary>A model in a context of llama.cpp, token by token.</summary>
internal sealed class Engine : IDisposable
{
    private const int Piece = 512;

    // Threads of llama.cpp spin while they wait for each other: on a machine that others keep busy one is faster than two.
    private static readonly int s_threads = int.Parse(Environment.GetEnvironmentVariable("LLAMA_THREADS") ?? "2", CultureInfo.InvariantCulture);

    private readonly LLamaWeights _weights;
    private readonly LLamaBatch _batch = new();

    public Engine(string model, Action<ModelParams>? change = null, uint context = 8192)
    {
        ModelParams parameters = new(model) { ContextSize = context, Threads = s_threads, BatchThreads = s_threads, BatchSize = Piece, UBatchSize = Piece, GpuLayerCount = 0 };
        change?.Invoke(parameters);
        _weights = LLamaWeights.LoadFromFile(parameters);
        Context = new LLamaContext(_weights, parameters);
    }

    /// <summary>Keeps llama.cpp quiet.</summary>
    public static void Silence() => NativeLibraryConfig.All.WithLogCallback((_, _) => { });

    public LLamaContext Context { get; }

    /// <summary>Reads tokens and returns the logits behind the last.</summary>
    public float[] Read(ReadOnlySpan<int> tokens, int position, int sequence = 0)
    {
        for (int first = 0; first < tokens.Length; first += Piece)
        {
            _batch.Clear();
            int end = Math.Min(first + Piece, tokens.Length);
            for (int i = first; i < end; i++)
                _batch.Add(tokens[i], position + i, (LLamaSeqId)sequence, i == tokens.Length - 1);
            if (Context.Decode(_batch) is var result && result != DecodeResult.Ok)
                throw new InvalidOperationException($"llama.cpp: {result}");
        }

        return Context.NativeHandle.GetLogitsIth(_batch.TokenCount - 1).ToArray();
    }

    /// <summary>Writes the likeliest tokens behind some logits.</summary>
    public int[] Greedy(float[] logits, int position, int count, int sequence = 0)
    {
        int[] written = new int[count];
        for (int i = 0; i < count; i++)
        {
            written[i] = logits.AsSpan().IndexOf(logits.Max());
            logits = Read([written[i]], position + i, sequence);
        }

        return written;
    }

    /// <summary>The log probabilities behind each of some tokens as they are read one by one.</summary>
    public List<float[]> Follow(ReadOnlySpan<int> tokens, int position)
    {
        List<float[]> all = [];
        for (int i = 0; i < tokens.Length; i++)
            all.Add(Divergence.LogProbabilities(Read(tokens.Slice(i, 1), position + i)));
        return all;
    }

    public void Dispose()
    {
        Context.Dispose();
        _weights.Dispose();
    }
}
