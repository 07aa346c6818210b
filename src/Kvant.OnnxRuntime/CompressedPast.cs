using Kvant.Caching;
using Kvant.OnnxRuntime.Graphs;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>
/// An exported decoder as it is, whose past is fed from compressed caches: sequences that nobody reads or writes at the moment cost what their codes take. For the runtime, which wants all of the past
/// at once, that of the sequences of the last step is held in floats besides; where that is too much, <see cref="CutDecoder"/> does without.
/// </summary>
/// <remarks>Names, order and shapes of the past are found from the session: inputs such as <c>past_key_values.0.key</c> and outputs such as <c>present.0.key</c> of floats or halves, [batch, head, token, number].
/// All kinds of attention are as good, since it stays in the graph.</remarks>
public sealed class CompressedPast : OnnxDecoder
{
    private readonly InferenceSession _session;
    private readonly bool _ownsSession;
    private readonly bool _shared;
    private readonly StepInputs _inputs;
    private readonly FloatPast _past;

    /// <summary>Feeds a session.</summary>
    /// <param name="session">Of a decoder with a past; it stays the caller's.</param>
    /// <param name="sharedBuffer">Whether past and present are one buffer, as in models whose attention is GroupQueryAttention: nothing is copied then, and shorter sequences of a step are filled up behind their
    /// tokens, not before them.</param>
    /// <param name="options">Threads and chunks; null for the defaults.</param>
    /// <exception cref="InvalidDataException">The model has no past, or inputs that are not known.</exception>
    public CompressedPast(InferenceSession session, bool sharedBuffer = false, OnnxDecoderOptions? options = null)
        : this(session ?? throw new ArgumentNullException(nameof(session)), PastLayout.Of(session), new StepInputs(session), sharedBuffer, options ?? new(), null)
    {
    }

    private CompressedPast(InferenceSession session, PastLayout layout, StepInputs inputs, bool shared, OnnxDecoderOptions options, string? path)
        : base(layout.Geometry, inputs.VocabularySize, options, path)
    {
        (_session, _shared, _inputs, _ownsSession) = (session, shared, inputs, path is not null);
        _past = new FloatPast(layout, shared, Team);
        IsHalf = layout.IsHalf;
    }

    /// <summary>Whether the model's past is in half precision.</summary>
    internal bool IsHalf { get; }

    /// <summary>Opens a model. Past and present are one buffer where all attention of its graph is GroupQueryAttention.</summary>
    /// <param name="path">The model's file.</param>
    /// <param name="options">Threads, chunks and the session; null for the defaults.</param>
    /// <exception cref="InvalidDataException">It is no model, it has no past, or inputs that are not known.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime does not take the model.</exception>
    public static CompressedPast Open(string path, OnnxDecoderOptions? options = null)
    {
        options ??= new();
        OnnxModel model = OnnxModel.Open(path);
        // A branch takes the past without naming it among its inputs.
        OnnxNode[] takers = [.. model.Nodes.Where(node => node.Inputs.Any(input => PastLayout.Parse(input, "past") is not null))];
        bool shared = takers.Length > 0 && Array.TrueForAll(takers, node => node is { Domain: OnnxModel.RuntimeDomain, Operation: "GroupQueryAttention" });
        using var settings = new SessionOptions();
        options.Session?.Invoke(settings);
        var session = new InferenceSession(path, settings);
        try
        {
            return new CompressedPast(session, PastLayout.Of(session), new StepInputs(session), shared, options, path);
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
        if (_ownsSession)
            _session.Dispose();
        base.Dispose(disposing);
    }

    private protected override void Run(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        int each = tokens.Length / caches.Length;
        using OrtIoBinding binding = _session.CreateIoBinding();
        using var settings = new RunOptions();
        _past.Bind(binding, caches, each);
        _inputs.Bind(binding, tokens, _past.Lengths, _past.Longest, left: !_shared);
        binding.BindOutputToDevice("logits", OrtMemoryInfo.DefaultInstance);
        try
        {
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
}
