using Kvant.Caching;
using Kvant.OnnxRuntime.Graphs;
using Kvant.OnnxRuntime.Layers;
using Kvant.OnnxRuntime.Native;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>
/// An exported decoder with its own attention, whose past is fed from compressed caches. Of floats there are those of one layer at a time, where the graph can be changed so
/// (<see cref="IsLayerByLayer"/>); else those of the sequences of the last step, all layers. <see cref="CutDecoder"/> does without.
/// </summary>
/// <remarks>Names, order and shapes of the past are found from the model: inputs such as <c>past_key_values.0.key</c> and outputs such as <c>present.0.key</c> of floats or halves, [batch, head, token, number].
/// All kinds of attention are as good, since it stays in the graph.</remarks>
public sealed class CompressedPast : OnnxDecoder
{
    private readonly InferenceSession _session;
    private readonly OperationSession? _operations;
    private readonly bool _ownsSession;
    private readonly bool _right;
    private readonly StepInputs _inputs;
    private readonly IPast _past;

    /// <summary>Feeds a session. The floats of all layers are kept, of the sequences of the last step.</summary>
    /// <param name="session">Of a decoder with a past; it stays the caller's.</param>
    /// <param name="sharedBuffer">Whether past and present are one buffer, as in models whose attention is GroupQueryAttention: nothing is copied then, and shorter sequences of a step are filled up behind their
    /// tokens, not before them.</param>
    /// <param name="options">Threads and chunks; null for the defaults.</param>
    /// <exception cref="InvalidDataException">The model has no past, or inputs that are not known.</exception>
    public CompressedPast(InferenceSession session, bool sharedBuffer = false, OnnxDecoderOptions? options = null)
        : this(session ?? throw new ArgumentNullException(nameof(session)), PastLayout.Of(session), new StepInputs(session), sharedBuffer, options ?? new(), null)
    {
    }

    private CompressedPast(InferenceSession session, PastLayout layout, StepInputs inputs, bool right, OnnxDecoderOptions options, string? path, OperationSession? operations = null, LayerPast? layers = null)
        : base(layout.Geometry, inputs.VocabularySize, options, path)
    {
        (_session, _operations, _right, _inputs, _ownsSession) = (session, operations, right, inputs, path is not null);
        _past = layers ?? (IPast)new FloatPast(layout, shared: right, Team);
        IsHalf = layout.IsHalf;
    }

    /// <summary>Whether the past is decoded layer by layer, in the middle of a run; else the floats of all layers are kept.</summary>
    public bool IsLayerByLayer => _operations is not null;

    /// <summary>Whether the model's past is in half precision.</summary>
    internal bool IsHalf { get; }

    /// <summary>Opens a model.</summary>
    /// <param name="path">The model's file. Leave it in its place: a graph that is changed, in memory, reads its weights from there.</param>
    /// <param name="options">Threads, chunks and the session; null for the defaults.</param>
    /// <param name="layerByLayer">Whether each layer's past is decoded when the layer is computed, and forgotten behind it: one layer of floats, at some more time for each token. False keeps the floats of all layers
    /// of the sequences that ran last; past and present are one buffer then where all attention is GroupQueryAttention. Null for layer by layer wherever the graph can be changed so.</param>
    /// <exception cref="NotSupportedException">Layer by layer is asked for, and the graph uses its past in a way that is not understood; the message says where.</exception>
    /// <exception cref="InvalidDataException">It is no model, it has no past, or inputs that are not known.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime does not take the model.</exception>
    public static CompressedPast Open(string path, OnnxDecoderOptions? options = null, bool? layerByLayer = null)
    {
        options ??= new();
        OnnxModel model = OnnxModel.Open(path);
        // A branch takes the past without naming it among its inputs.
        OnnxNode[] takers = [.. model.Nodes.Where(node => node.Inputs.Any(input => PastLayout.Parse(input, "past") is not null) && !node.Is("Shape"))];
        bool right = takers.Length > 0 && Array.TrueForAll(takers, node => node is { Domain: OnnxModel.RuntimeDomain, Operation: "GroupQueryAttention" });
        if (layerByLayer != false)
        {
            try
            {
                PastLayout layout = PastLayout.Of(model.Inputs, model.Outputs);
                return Open(LayerGraph.Of(model, layout, right), layout, right, path, options);
            }
            catch (NotSupportedException) when (layerByLayer is null)
            {
                // All layers then.
            }
        }

        using var settings = new SessionOptions();
        options.Session?.Invoke(settings);
        var session = new InferenceSession(path, settings);
        try
        {
            return new CompressedPast(session, PastLayout.Of(session), new StepInputs(session), right, options, path);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _past.Dispose();
        _inputs.Dispose();
        _operations?.Dispose();
        if (_ownsSession && _operations is null)
            _session.Dispose();
        base.Dispose(disposing);
    }

    private protected override void Run(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        int each = tokens.Length / caches.Length;
        RequireWhole(caches);
        using OrtIoBinding binding = _session.CreateIoBinding();
        using var settings = new RunOptions();
        _past.Bind(binding, caches, each);
        _inputs.Bind(binding, tokens, _past.Lengths, _past.Longest, left: !_right);
        binding.BindOutputToDevice("logits", OrtMemoryInfo.DefaultInstance);
        try
        {
            if (_operations is not null)
                _operations.Run(binding);
            else
                _session.RunWithBinding(settings, binding);
            StepLogits.Copy(binding, logits);
            _past.Take(each);
        }
        catch
        {
            _past.Forget();
            throw;
        }
    }

    private static CompressedPast Open(OnnxModel model, PastLayout layout, bool right, string path, OnnxDecoderOptions options)
    {
        var past = new LayerPast(layout, right, options.Threads);
        var session = new OperationSession(model, Path.GetDirectoryName(Path.GetFullPath(path)), options.Session, past.Operations());
        try
        {
            past.Look(session.Session);
            return new CompressedPast(session.Session, layout, new StepInputs(session.Session), right, options, path, session, past);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    private void RequireWhole(ReadOnlySpan<KvCache> caches)
    {
        for (int layer = 0; layer < Geometry.Layers; layer++)
        {
            foreach (KvCache cache in caches)
            {
                if (cache.LiveTokens(layer) < cache.LayerLength(layer))
                    throw new ArgumentException($"A cache has forgotten {cache.LayerLength(layer) - cache.LiveTokens(layer)} tokens of layer {layer}; this model wants its past whole.", nameof(caches));
            }
        }
    }
}
