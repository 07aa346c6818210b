using Kvant.Caching;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;
using LLama;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>A state in memory that was made for a context and checked against it, before the context is touched.</summary>
internal sealed class RestoredState : IDisposable
{
    private readonly LLamaContext _context;
    private readonly LLamaSeqId? _sequence;
    private readonly ContextLayout _layout;
    private readonly NativeBuffer _buffer;
    private bool _transposed;

    private RestoredState(LLamaContext context, LLamaSeqId? sequence, ContextLayout layout, NativeBuffer buffer, bool transposed) =>
        (_context, _sequence, _layout, _buffer, _transposed) = (context, sequence, layout, buffer, transposed);

    /// <summary>Restores a compressed state.</summary>
    /// <param name="context">The context that it is for.</param>
    /// <param name="sequence">The sequence; null for the whole context.</param>
    /// <param name="file">The compressed state.</param>
    /// <param name="expected">What it must belong to; null for what the context's model says.</param>
    /// <param name="threads">Threads that decode; 0 for as many as there are processors.</param>
    /// <param name="done">Is told which share is done.</param>
    /// <param name="cancellation">Stops between layers.</param>
    /// <exception cref="InvalidDataException">It is damaged, of another model, or does not fit.</exception>
    public static RestoredState Of(LLamaContext context, LLamaSeqId? sequence, LlamaStateFile file, CacheIdentity? expected, int threads, IProgress<double>? done, CancellationToken cancellation)
    {
        ModelFacts facts = ModelFacts.Of(context);
        ContextLayout layout = ContextLayout.Of(context);
        Require(file, facts, layout, sequence is null, expected ?? facts.Identity);
        // Where nobody knows it, most likely as it was saved.
        bool transposed = layout.IsTransposed ?? file.Header.Parts.OfType<AttentionPart>().Any(part => part.IsTransposed);
        StateTarget target = new()
        {
            InMemory = true,
            Sequence = sequence is { } one ? (int)one : null,
            Streams = sequence is null ? null : layout.Streams,
            IsTransposed = transposed,
            KeyType = layout.KeyType,
            ValueType = layout.ValueType,
        };
        var buffer = new NativeBuffer(file.BytesFor(target));
        try
        {
            using (UnmanagedMemoryStream stream = buffer.Open())
                file.Read(stream, target, threads, done, cancellation);
            return new(context, sequence, layout, buffer, transposed);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>Hands a state that is in memory already to a context; it is checked here.</summary>
    public static RestoredState Of(LLamaContext context, LLamaSeqId sequence, NativeBuffer buffer, bool transposed) => new(context, sequence, ContextLayout.Of(context), buffer, transposed);

    /// <summary>Hands it to llama.cpp.</summary>
    /// <exception cref="InvalidOperationException">llama.cpp did not take it, as where other sequences leave no room; what was in its place is gone.</exception>
    public void Apply()
    {
        LlamaState state = RequireWhole();
        if (StreamStates.AreSeveral(state))
        {
            ApplyEach(state);
            return;
        }

        // A state without rows fits either way; values in blocks lie one way alone.
        LayerRows[] rows = [.. state.Parts.OfType<AttentionPart>().SelectMany(part => part.Layers)];
        bool taken = _buffer.Set(_context, _sequence);
        if (!taken && _layout.IsTransposed is null && rows.Length > 0 && Array.TrueForAll(rows, layer => layer.ValueType.IsFloat))
        {
            TurnValues();
            taken = _buffer.Set(_context, _sequence);
        }

        if (taken)
        {
            if (rows.Length > 0)
                _layout.IsTransposed = _transposed;
            return;
        }

        throw new InvalidOperationException($"llama.cpp did not take a state of {_buffer.Length} bytes: its log says why. Other sequences may leave no room for it; what was in its place is gone.");
    }

    /// <inheritdoc/>
    public void Dispose() => _buffer.Dispose();

    private void ApplyEach(LlamaState state)
    {
        List<(int Sequence, NativeBuffer Buffer)> states = [];
        try
        {
            states.AddRange(StreamStates.Of(state));
            _context.NativeHandle.MemoryClear();
            foreach ((int sequence, NativeBuffer buffer) in states)
                new RestoredState(_context, (LLamaSeqId)sequence, _layout, buffer, _transposed).Apply();
        }
        finally
        {
            states.ForEach(own => own.Buffer.Dispose());
        }
    }

    // What is handed over was read once more, as it lies there.
    private LlamaState RequireWhole()
    {
        UnmanagedMemoryStream stream = _buffer.Open();
        LlamaState state = LlamaState.Read(stream);
        if (state.IsWhole != _sequence is null)
            throw new InvalidDataException($"a state of kind {state.Kind} where that of {(_sequence is null ? "a context" : "a sequence")} is wanted");
        return state;
    }

    // Everything but the order of values is the same, and as long.
    private void TurnValues()
    {
        LlamaState state = RequireWhole();
        _transposed = !_transposed;
        using UnmanagedMemoryStream stream = _buffer.Open();
        long start = state.PartsAt;
        foreach (StatePart part in state.Parts)
        {
            if (part is AttentionPart attention)
            {
                foreach (StreamPart of in attention.Streams.Where(of => of.Cells.Count > 0))
                {
                    for (int layer = 0; layer < attention.Layers.Length; layer++)
                        TurnValues(stream, of.ValueOffsets[layer], attention.Layers[layer], of.Cells.Count, attention.IsTransposed);
                }

                (attention with { IsTransposed = !attention.IsTransposed }).WriteOutline(stream, 0, start, state.IsWhole ? null : state.Sequence);
            }

            start += part.StateBytes;
        }
    }

    private static void TurnValues(UnmanagedMemoryStream stream, long offset, LayerRows rows, int cells, bool wasTransposed)
    {
        byte[] values = new byte[cells * rows.ValueBytes], turned = new byte[values.Length];
        stream.Position = offset;
        stream.ReadExactly(values);
        (int lines, int columns) = wasTransposed ? (rows.ValueWidth, cells) : (cells, rows.ValueWidth);
        Transposition.Turn(values, lines, columns, rows.ValueType.BlockBytes, turned);
        stream.Position = offset;
        stream.Write(turned);
    }

    // All that a context can say against a state, before it takes memory.
    private static void Require(LlamaStateFile file, ModelFacts facts, ContextLayout layout, bool whole, CacheIdentity expected)
    {
        if (file.IsWhole != whole)
            throw new InvalidDataException($"{file.Name}: it is the state of {(file.IsWhole ? "a context" : "a sequence")}; that of {(whole ? "a context" : "a sequence")} is wanted");
        if (file.Architecture is { } architecture && architecture != facts.Architecture)
            throw new InvalidDataException($"{file.Name}: it is of a model of the architecture '{architecture}'; the context's is '{facts.Architecture}'");
        if (file.Identity != expected)
            throw new InvalidDataException($"{file.Name}: it belongs to {file.Identity}; {expected} is expected");
        int layers = 0;
        foreach (AttentionPart part in file.Header.Parts.OfType<AttentionPart>())
        {
            layers += part.Layers.Length;
            if (whole && part.Streams.Length != layout.Streams)
                throw new InvalidDataException($"{file.Name}: it has {part.Streams.Length} streams; the context has {layout.Streams}");
            if (part.Streams.Max(stream => stream.Cells.Count) is var cells && cells > layout.Cells)
                throw new InvalidDataException($"{file.Name}: it has {cells} tokens; the context has room for {layout.Cells}");
            foreach (LayerRows rows in part.Layers)
            {
                if (Math.Max(rows.KeyWidth, rows.ValueWidth) is var width && width > facts.WidestRow)
                    throw new InvalidDataException($"{file.Name}: a row of a layer has {width} numbers; none of the model has more than {facts.WidestRow}");
            }
        }

        CacheGeometry geometry = facts.GeometryOf(layers);
        if (layers > 0 && layers != geometry.Layers)
            throw new InvalidDataException($"{file.Name}: it has {layers} layers; the model has {geometry.Layers}");
    }
}
