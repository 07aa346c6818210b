using System.Runtime.CompilerServices;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.States;
using LLama;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>How a context stores its cache, as far as it says.</summary>
internal sealed class ContextLayout
{
    private static readonly ConditionalWeakTable<SafeLLamaContextHandle, ContextLayout> s_known = [];

    private ContextLayout(LLamaContext context)
    {
        (KeyType, ValueType) = (TypeOf((int?)context.Params.TypeK), TypeOf((int?)context.Params.TypeV));
        bool unified = context.Params.KVUnified ?? true;
        Streams = unified ? 1 : (int)Math.Max(1, context.NativeHandle.MaxSeq);
        Cells = context.ContextSize / (uint)Streams;
        IsTransposed = context.Params.FlashAttention is { } flash ? !flash : null;
    }

    /// <summary>Streams of each of its caches.</summary>
    public int Streams { get; }

    /// <summary>Cells of a stream, at most.</summary>
    public long Cells { get; }

    /// <summary>The type of its keys.</summary>
    public GgmlType KeyType { get; }

    /// <summary>The type of its values.</summary>
    public GgmlType ValueType { get; }

    /// <summary>Whether values are transposed; null as long as nobody knows: llama.cpp decides that where it is not told.</summary>
    public bool? IsTransposed { get; set; }

    /// <summary>That of a context.</summary>
    public static ContextLayout Of(LLamaContext context) => s_known.GetValue(context.NativeHandle, _ => new ContextLayout(context));

    /// <summary>Refuses a sequence that a context does not have: llama.cpp would end the process.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has none of this number.</exception>
    public static void RequireSequence(LLamaContext context, LLamaSeqId? sequence)
    {
        if (sequence is { } one && (uint)(int)one >= (uint)context.NativeHandle.MaxSeq)
            throw new ArgumentOutOfRangeException(nameof(sequence), (int)one, $"The context has the sequences 0 to {(long)context.NativeHandle.MaxSeq - 1} (SeqMax).");
    }

    /// <summary>Keeps what a state of the context shows.</summary>
    public void Learn(LlamaState state)
    {
        if (state.Parts.OfType<AttentionPart>().FirstOrDefault(part => part.Layers.Length > 0) is { } part)
            IsTransposed = part.IsTransposed;
    }

    private static GgmlType TypeOf(int? type) => GgmlType.Find(type ?? GgmlType.F16.Id) ?? throw new NotSupportedException($"A cache of ggml's type {type} is not known.");
}
